package lsp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/hostile"
)

// What others wrote, into a query file that is opened or into the names of
// files beside it, is shown by an editor as text: messages, candidates, hovers.
// Names of queries are theirs, and an editor shows them in its own way.
func TestNothingHostileIsSent(t *testing.T) {
	e := newEditor(t).begin()
	for _, v := range hostile.Values() {
		if name := strings.ReplaceAll(v, "/", "_"); len(name) < 200 && !strings.Contains(name, "\x00") {
			_ = os.WriteFile(filepath.Join(e.dir, name+".txt"), []byte(v), 0o600) // not every file system has every name
		}
	}
	var steers func(door, v string, sent any)
	steers = func(door, v string, sent any) {
		switch sent := sent.(type) {
		case string:
			if err := hostile.Terminal(strings.ReplaceAll(sent, "\ufffd", "?")); err != nil {
				t.Errorf("%s, %.40q: %v", door, v, err)
			}
		case []any:
			for _, one := range sent {
				steers(door, v, one)
			}
		case map[string]any:
			for name, one := range sent {
				if name != "filterText" { // what is typed already, never shown
					steers(door, v, one)
				}
			}
		}
	}
	for i, v := range hostile.Values() {
		v = strings.ToValidUTF8(v[:min(len(v), 1<<10)], "?") // an editor sends no other text
		for k, text := range []string{
			"FIND " + v, "FIND file WHERE " + v + " = 1", `FIND file /etc WHERE name = ` + v, "FIND file /etc SET " + v + " = on", "FIND file /etc RETURN " + v,
			`FIND file "` + v + `" WHERE mtme = 1`, "FIND file /etc WHERE path IN @" + v, "FIND file /etc WHERE mtime = \"" + strings.ReplaceAll(v, "\"", "") + "\"",
		} {
			uri, found := e.opens(strings.Repeat("x", i+1)+string(rune('a'+k))+".qst", text)
			for _, d := range found {
				steers("diagnostics", v, d.Message)
			}
			var got any
			for _, method := range []string{"textDocument/hover", "textDocument/definition"} {
				if f := e.ask(method, at(uri, 0, len("FIND file ")), &got); f != nil {
					steers(method, v, f.Message)
				}
				steers(method, v, got)
			}
		}
	}
	uri, _ := e.opens("lists.qst", "FIND file /etc WHERE path IN @")
	var items struct{ Items []any }
	if f := e.ask("textDocument/completion", at(uri, 0, len("FIND file /etc WHERE path IN @")), &items); f != nil {
		t.Fatal(f)
	}
	if len(items.Items) < 20 {
		t.Errorf("%d lists are offered", len(items.Items))
	}
	steers("completion", "", items.Items)
	e.end()
}
