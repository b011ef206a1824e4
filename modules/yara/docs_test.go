package yara_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/library"
)

// The rules of docs/yara.md are compiled, and those that are wrong give the
// messages that stand below them.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/yara.md")
	if err != nil {
		t.Fatal(err)
	}
	o := yara.Options{Modules: library.Modules(time.Now), Include: func(string) ([]byte, error) { return nil, nil }}
	blocks := strings.Split(string(page), "\n```")
	n := 0
	for i, b := range blocks {
		info, text, _ := strings.Cut(b, "\n")
		if !strings.HasPrefix(info, "yara") {
			continue
		}
		n++
		_, err := yara.Compile(yara.Source{Name: "rules.yar", Text: text + "\n"}, o)
		if info == "yara" && err != nil {
			t.Error(err)
		}
		if info == "yara refused" {
			_, want, _ := strings.Cut(blocks[i+2], "\n")
			if err == nil || err.Error() != want {
				t.Errorf("%v\n\nwant\n%s", err, want)
			}
		}
	}
	if n < 2 {
		t.Errorf("only %d blocks of rules were found", n)
	}
}
