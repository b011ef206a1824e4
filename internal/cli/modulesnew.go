package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/internal/scaffold"
	"github.com/quaestor-engine/quaestor/modules/std"
)

type modulesNewCommand struct {
	Name       string `arg:"" help:"The word that will stand after FIND: lower case letters, digits and _."`
	Dir        string `placeholder:"DIR" help:"The folder to write to (default: quaestor-NAME)."`
	ModulePath string `placeholder:"PATH" help:"The path of the Go module (default: example.com/quaestor-NAME)."`
	Replace    string `placeholder:"DIR" help:"Build with the source of Quaestor in this folder, in the place of a released version."`
}

// Run writes a module to begin with, and says how to go on.
func (c *modulesNewCommand) Run(a *app) error {
	o := scaffold.Options{Name: c.Name, Dir: c.Dir, Path: c.ModulePath, Source: c.Replace, Version: released()}
	if o.Dir == "" {
		o.Dir = "quaestor-" + c.Name
	}
	for _, m := range std.Modules() {
		o.Taken = append(o.Taken, m.Schema().Name)
	}
	names, err := scaffold.Write(o)
	switch {
	case errors.Is(err, scaffold.ErrThere):
		return fmt.Errorf("%w\nhint: --dir DIR names another folder", err)
	case err != nil:
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "written to %s:\n", o.Dir)
	for _, name := range names {
		fmt.Fprintf(&b, "  %s\n", name)
	}
	fmt.Fprintf(&b, `
Go on with
  cd %s
  go get -t ./...
  go test ./...
  go run ./cmd/ask 'FIND %s'
It lists login shells so far: write what it is to be about into module.go.
`, shellWord(o.Dir), c.Name)
	_, err = io.WriteString(a.Out, b.String())
	return err
}

var plainWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`) })

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if plainWord().MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var releasedVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v\d+\.\d+\.\d+$`) })

// released gives the version of this program, if it is one that the go
// command can fetch.
func released() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !releasedVersion().MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
}
