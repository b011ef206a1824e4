package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/internal/lsp"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

type lspCommand struct {
	OS  string `name:"os" placeholder:"linux" help:"The system that the queries are for (default: this one)."`
	Log bool   `help:"Say on standard error what went wrong."`
}

// Run answers an editor on standard input and output.
func (c *lspCommand) Run(a *app) error {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return err
	}
	o := lsp.Options{
		Version: version(),
		Session: func(dir string) (*quaestor.LocalSession, error) {
			return quaestor.LocalWith(quaestor.Options{Dir: dir, OS: c.OS, Case: a.caseModule})
		},
		Context: complete.Context{Catalogue: cat, OS: c.OS},
		Page:    a.modulePage,
	}
	if o.Context.OS == "" {
		o.Context.OS = runtime.GOOS
	}
	if c.Log {
		o.Log = slog.New(slog.NewTextHandler(a.Err, nil))
	}
	err = lsp.Serve(a.ctx, a.In, a.Out, o)
	if errors.Is(err, lsp.ErrNoShutdown) {
		return &exit{code: ExitAsked} // as the protocol has it
	}
	return err
}

// modulePage writes what is known of a module into a file for an editor to
// show, below the user's folder for what can be made again.
func (a *app) modulePage(name string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "quaestor", "modules")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	var text bytes.Buffer
	b := *a
	b.Out = &text
	if err := (&modulesShowCommand{Name: name}).Run(&b); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name+".txt")
	return file, wholefile.Keep(file, 0o444, text.Bytes())
}
