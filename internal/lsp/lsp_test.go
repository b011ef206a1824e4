package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An editor is a fake one.
type editor struct {
	t     *testing.T
	in    io.WriteCloser
	out   *bufio.Reader
	ended chan error
	id    int
	dir   string
	found map[string][]diagnostic // what was published last, by document
}

func newEditor(t *testing.T) *editor {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	fromEditor, toServer := io.Pipe()
	fromServer, toEditor := io.Pipe()
	e := &editor{t: t, in: toServer, out: bufio.NewReader(fromServer), ended: make(chan error, 1), dir: t.TempDir(), found: map[string][]diagnostic{}}
	o := Options{
		Version: "1", Context: complete.Context{Catalogue: cat, OS: "linux"},
		Session: func(dir string) (*quaestor.LocalSession, error) {
			return quaestor.LocalWith(quaestor.Options{Dir: dir, OS: "linux"})
		},
		Page: func(module string) (string, error) { return filepath.Join(e.dir, module+".txt"), nil },
	}
	go func() {
		err := Serve(t.Context(), fromEditor, toEditor, o)
		_ = toEditor.Close()
		_ = fromEditor.Close()
		e.ended <- err
	}()
	t.Cleanup(func() {
		_ = toServer.Close()
		_, _ = io.Copy(io.Discard, fromServer)
	})
	return e
}

func (e *editor) send(m any) {
	e.t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(e.in, "Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n%s", len(body), body); err != nil {
		e.t.Fatal(err)
	}
}

func (e *editor) hear() message {
	e.t.Helper()
	body, err := readMessage(e.out)
	if err != nil {
		e.t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		e.t.Fatal(err)
	}
	return m
}

// notes takes notifications until an answer comes.
func (e *editor) answer() message {
	e.t.Helper()
	for {
		m := e.hear()
		if m.Method == "" {
			return m
		}
		e.note(m)
	}
}

func (e *editor) note(m message) {
	e.t.Helper()
	var p struct {
		URI         string
		Diagnostics []diagnostic
	}
	if err := json.Unmarshal(m.Params, &p); err != nil || m.Method != "textDocument/publishDiagnostics" {
		e.t.Fatalf("%s: %v", m.Method, err)
	}
	e.found[p.URI] = p.Diagnostics
}

// diagnostics waits for those of a document.
func (e *editor) diagnostics(uri string) []diagnostic {
	e.t.Helper()
	delete(e.found, uri)
	for {
		e.note(e.hear())
		if found, ok := e.found[uri]; ok {
			return found
		}
	}
}

func (e *editor) ask(method string, params any, into any) *failure {
	e.t.Helper()
	e.id++
	e.send(map[string]any{"jsonrpc": "2.0", "id": e.id, "method": method, "params": params})
	m := e.answer()
	if string(m.ID) != fmt.Sprint(e.id) {
		e.t.Fatalf("%s: the answer is to %s and not to %d", method, m.ID, e.id)
	}
	if m.Error != nil {
		return m.Error
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(m.Result, into); err != nil {
		e.t.Fatalf("%s: %v: %s", method, err, m.Result)
	}
	return nil
}

func (e *editor) tell(method string, params any) {
	e.t.Helper()
	e.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

func (e *editor) begin(encodings ...string) *editor {
	e.t.Helper()
	var got struct {
		Capabilities struct{ PositionEncoding string }
	}
	if f := e.ask("initialize", map[string]any{"capabilities": map[string]any{"general": map[string]any{"positionEncodings": encodings}}}, &got); f != nil {
		e.t.Fatal(f)
	}
	e.tell("initialized", map[string]any{})
	return e
}

func (e *editor) end() {
	e.t.Helper()
	if f := e.ask("shutdown", nil, nil); f != nil {
		e.t.Fatal(f)
	}
	e.tell("exit", nil)
	select {
	case err := <-e.ended:
		if err != nil {
			e.t.Error(err)
		}
	case <-time.After(10 * time.Second):
		e.t.Fatal("the server does not end")
	}
}

// opens shows a document, and gives its address and what is wrong with it.
func (e *editor) opens(name, text string) (string, []diagnostic) {
	e.t.Helper()
	uri := uriOf(filepath.Join(e.dir, name))
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "quaestor", "version": 1, "text": text}})
	return uri, e.diagnostics(uri)
}

// at is a request about a place.
func at(uri string, line, character int) map[string]any {
	return map[string]any{"textDocument": map[string]string{"uri": uri}, "position": position{line, character}}
}

func TestSession(t *testing.T) {
	e := newEditor(t)
	if f := e.ask("textDocument/hover", at("file:///x", 0, 0), nil); f == nil || f.Code != codeNotInitialized {
		t.Errorf("before initialize: %+v", f)
	}
	e.begin()
	if f := e.ask("initialize", map[string]any{}, nil); f == nil || f.Code != codeInvalidRequest {
		t.Errorf("a second initialize: %+v", f)
	}
	if f := e.ask("workspace/none", map[string]any{}, nil); f == nil || f.Code != codeNoMethod {
		t.Errorf("an unknown method: %+v", f)
	}
	if f := e.ask("textDocument/hover", at("file:///x", 0, 0), nil); f == nil || f.Code != codeInvalidParams {
		t.Errorf("a document that is not open: %+v", f)
	}
	e.tell("workspace/didChangeConfiguration", map[string]any{})
	if _, err := fmt.Fprint(e.in, "Content-Length: 3\r\n\r\n{x}"); err != nil {
		t.Fatal(err)
	}
	if m := e.answer(); m.Error == nil || m.Error.Code != codeParse {
		t.Errorf("no JSON: %+v", m)
	}
	e.end()
}

func TestLeaves(t *testing.T) {
	e := newEditor(t).begin()
	e.tell("exit", nil)
	if err := <-e.ended; !errors.Is(err, ErrNoShutdown) {
		t.Errorf("exit without shutdown: %v", err)
	}
	e = newEditor(t).begin()
	_ = e.in.Close()
	if err := <-e.ended; !errors.Is(err, ErrNoShutdown) {
		t.Errorf("an editor that is gone: %v", err)
	}
	e = newEditor(t).begin()
	if _, err := fmt.Fprint(e.in, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-e.ended; !errors.Is(err, errFraming) {
		t.Errorf("HTTP: %v", err)
	}
}

// Mistakes are shown where they are, in what the editor counts, and mended.
func TestMistakes(t *testing.T) {
	for _, enc := range []string{"", "utf-8"} {
		e := newEditor(t).begin(enc)
		text := "-- name: 🦊\nFIND file \"/etc/é🦊\" WHERE mtme > now - 2d\n"
		uri, found := e.opens("a.qst", text)
		// é is one unit of UTF-16 and two bytes, the fox two units and four bytes.
		from := len([]rune(`FIND file "/etc/é🦊" WHERE `)) + 1
		if enc == "utf-8" {
			from = len(`FIND file "/etc/é🦊" WHERE `)
		}
		if len(found) != 1 || found[0].Code != "unknown-column" || found[0].Range != (textRange{position{1, from}, position{1, from + 4}}) {
			t.Fatalf("%q: found %+v, want it at %d", enc, found, from)
		}
		if f := found[0]; f.Severity != severityError || !strings.HasSuffix(f.Description.Href, "errors.md#unknown-column") || !strings.Contains(f.Message, "did you mean mtime?") {
			t.Errorf("%+v", f)
		}
		var actions []struct {
			Title string
			Edit  struct{ Changes map[string][]edit }
		}
		if f := e.ask("textDocument/codeAction", map[string]any{"textDocument": map[string]string{"uri": uri}, "range": found[0].Range}, &actions); f != nil {
			t.Fatal(f)
		}
		if len(actions) != 1 || actions[0].Title != "write mtime" {
			t.Fatalf("actions %+v", actions)
		}
		mend := actions[0].Edit.Changes[uri][0]
		e.tell("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": uri, "version": 2}, "contentChanges": []change{{&mend.Range, mend.Text}}})
		if found := e.diagnostics(uri); len(found) != 0 {
			t.Errorf("after the mend: %+v", found)
		}
		e.tell("textDocument/didClose", map[string]any{"textDocument": map[string]string{"uri": uri}})
		if found := e.diagnostics(uri); len(found) != 0 {
			t.Errorf("closed: %+v", found)
		}
		e.end()
	}
}

// Lists lie beside their document, and are looked at again when it is saved.
func TestLists(t *testing.T) {
	e := newEditor(t).begin()
	uri, found := e.opens("a.qst", "PARAM since duration FIND file /etc/* WHERE sha256 IN @bad.txt AND mtime > now - $since")
	if len(found) != 1 || found[0].Range.Start.Character != 54 {
		t.Fatalf("a list that is not there: %+v", found)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "bad.txt"), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.tell("textDocument/didSave", map[string]any{"textDocument": map[string]string{"uri": uri}})
	if found := e.diagnostics(uri); len(found) != 0 {
		t.Errorf("a list that is there: %+v", found)
	}
	var to struct{ URI string }
	if f := e.ask("textDocument/definition", at(uri, 0, 56), &to); f != nil || to.URI != uriOf(filepath.Join(e.dir, "bad.txt")) {
		t.Errorf("the list is %+v, %v", to, f)
	}
	if f := e.ask("textDocument/definition", at(uri, 0, 27), &to); f != nil || to.URI != uriOf(filepath.Join(e.dir, "file.txt")) {
		t.Errorf("the module is %+v, %v", to, f)
	}
	abs := filepath.Join(t.TempDir(), "abs.txt")
	other, _ := e.opens("b.qst", fmt.Sprintf("FIND file /etc/* WHERE sha256 IN @%q", filepath.ToSlash(abs)))
	if f := e.ask("textDocument/definition", at(other, 0, 40), &to); f != nil || to.URI != uriOf(abs) {
		t.Errorf("the list %s is %+v, %v", abs, to, f)
	}
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "untitled:1", "text": "FIND what /etc/* WHERE name IN @none.txt"}})
	e.diagnostics("untitled:1")
	for _, character := range []int{6, 34} { // an unknown module, a list of nowhere
		var nothing *struct{ URI string }
		if f := e.ask("textDocument/definition", at("untitled:1", 0, character), &nothing); f != nil || nothing != nil {
			t.Errorf("at %d: %+v, %v", character, nothing, f)
		}
	}
	var links []struct{ Target string }
	if f := e.ask("textDocument/documentLink", at(uri, 0, 0), &links); f != nil || len(links) != 2 || !strings.HasSuffix(links[0].Target, "modules.md#file") {
		t.Errorf("links %+v, %v", links, f)
	}
	e.end()
}

func TestAnswers(t *testing.T) {
	e := newEditor(t).begin()
	uri, _ := e.opens("a.qst", "-- name: one\n-- description: the first\nfind   file /etc/*  where si\n;\nFIND host\n")
	var list struct{ Items []item }
	if f := e.ask("textDocument/completion", at(uri, 2, 28), &list); f != nil {
		t.Fatal(f)
	}
	found := false
	for _, i := range list.Items {
		if i.Label == "size" {
			found = i.Edit.Range == textRange{position{2, 26}, position{2, 28}} && i.Kind == itemKinds[complete.Column] && strings.HasPrefix(i.Filter, "si")
		}
	}
	if !found {
		t.Errorf("completion: %+v", list)
	}
	var hover struct {
		Contents struct{ Value string }
		Range    textRange
	}
	if f := e.ask("textDocument/hover", at(uri, 2, 8), &hover); f != nil || !strings.Contains(hover.Contents.Value, "file") || hover.Range.Start.Character != 7 {
		t.Errorf("hover: %+v, %v", hover, f)
	}
	var symbols []struct {
		Name, Detail string
		Range        textRange
	}
	e.tell("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": uri}, "contentChanges": []change{{nil, "-- name: one\n-- description: the first\nfind   file /etc/*  where size > 1\n;\nFIND host\n"}}})
	if f := e.ask("textDocument/documentSymbol", at(uri, 0, 0), &symbols); f != nil || len(symbols) != 2 || symbols[0].Name != "one" || symbols[0].Detail != "the first" || symbols[1].Name != "query 2" || symbols[1].Range.Start.Line != 4 {
		t.Errorf("symbols: %+v, %v", symbols, f)
	}
	var edits []edit
	if f := e.ask("textDocument/formatting", at(uri, 0, 0), &edits); f != nil || len(edits) != 1 || edits[0].Range.Start != (position{2, 0}) {
		t.Errorf("formatting: %+v, %v", edits, f)
	}
	e.end()
}

// What is cancelled before its turn is not worked on.
func TestCancel(t *testing.T) {
	q := newQueue()
	for _, id := range []string{"1", "2"} {
		q.room <- struct{}{}
		q.add(&queued{message: message{ID: json.RawMessage(id), Method: "x"}})
	}
	q.cancel(json.RawMessage(`{"id":2}`))
	q.cancel(json.RawMessage(`{}`))
	for i, want := range []bool{false, true} {
		if m, _ := q.next(t.Context()); m.cancelled != want {
			t.Errorf("message %d: cancelled %v", i, m.cancelled)
		}
	}
	var out strings.Builder
	s := &server{wire: &wire{out: &out}}
	if err := s.take(&queued{message: message{ID: json.RawMessage("2")}, cancelled: true}); err != nil || !strings.Contains(out.String(), "-32800") {
		t.Errorf("%v %s", err, out.String())
	}
}
