package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// secretWord is in the names of flags and arguments that a secret could go by.
var secretWord = regexp.MustCompile(`(?i)secret|token|pass|bearer|private|credential`)

// Other users of a machine see arguments. A flag may say where a secret is.
func TestNoFlagTakesASecret(t *testing.T) {
	k, err := kong.New(grammar(""), kong.Vars{"formats": "", "conversions": ""})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = kong.Visit(k.Model, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok && secretWord.MatchString(f.Name) {
			seen++
			if !strings.HasSuffix(f.Name, "-file") && !f.IsBool() && f.PlaceHolder != "FILE" {
				t.Errorf("--%s takes a secret on the command line, or is called as if it did", f.Name)
			}
		}
		return next(nil)
	})
	if err != nil || seen == 0 {
		t.Errorf("%d flags were looked at, %v", seen, err)
	}
}
