package manpage

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write the golden file anew")

// A pretended is a command line with one of everything.
type pretended struct {
	Dir string `help:"The folder." env:"PRETENDED_DIR" placeholder:"DIR"`
	Man Flag   `name:"man" hidden:"" help:"Print the manual page."`

	Ask  askCommand  `cmd:"" help:"Ask \"it\" for C:\\temp."`
	Gone goneCommand `cmd:"" hidden:"" help:"Never shown."`
	Keep struct {
		List goneCommand `cmd:"" help:".begins with a dot."`
	} `cmd:"" help:"Keep things."`
}

type askCommand struct {
	Query  []string `arg:"" help:"What is asked."`
	Wait   bool     `short:"w" help:"Wait for it, … or not."`
	Secret bool     `hidden:"" help:"Never shown."`
	Every  string   `group:"To ask again" default:"1m" help:"How often (default: ${default})."`
}

type goneCommand struct{}

// print gives what a command line says, and with what it ends.
func print(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code := -1
	k, err := kong.New(&pretended{}, kong.Name("quaestor-agent"), kong.Description("Does things. And more of them."),
		kong.Writers(&out, &out), kong.Exit(func(c int) { code = c; panic(t) }))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(t) {
				panic(r)
			}
		}()
		_, err = k.Parse(args)
	}()
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), code
}

func TestPage(t *testing.T) {
	got, code := print(t, "--man")
	if code != 0 {
		t.Errorf("it ends with %d", code)
	}
	const name = "testdata/page.golden"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, got)
	}
}

// Whatever is not asked for prints nothing.
func TestNoPage(t *testing.T) {
	if out, code := print(t, "ask", "x"); out != "" || code != -1 {
		t.Errorf("%q, %d", out, code)
	}
}

// groff reads the page without a word, and shows every word of the help.
func TestGroff(t *testing.T) {
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("there is no groff")
	}
	text, _ := print(t, "--man")
	cmd := exec.Command("groff", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u", "-ww", "-rLL=200n")
	cmd.Stdin = strings.NewReader(text)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %s", err, &errs)
	}
	for _, want := range []string{
		"quaestor-agent - does things", "Does things. And more of them.", `Ask "it" for C:\temp.`, "-w, --wait", "Wait for it, … or not.", "--every=\"1m\"",
		"How often (default: 1m).", "To ask again:", "The folder ($PRETENDED_DIR).", ".begins with a dot.", "keep list", "quaestor(1)",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not show %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "Never shown") {
		t.Errorf("it shows what is hidden:\n%s", out)
	}
}
