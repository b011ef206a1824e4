package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/formats"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

type convertCommand struct {
	File   string `arg:"" help:"A file of rules or indicators, or - for standard input; with --report also a folder."`
	From   string `placeholder:"FORMAT" help:"What it is: ${conversions} (default: what it looks like)."`
	Output string `short:"o" placeholder:"FILE.qst" help:"Write the query file here, and the lists that it names beside it (default: standard output)."`
	Report bool   `help:"Write no queries: say how much is carried over whole, partly and not, and why."`
	Format string `enum:"table,json" default:"table" placeholder:"table|json" help:"How --report is shown (default: ${default})."`
	Strict bool   `help:"Exit with 1 where a rule is not carried over whole."`
}

// Run makes a query file of what another tool reads.
func (c *convertCommand) Run(a *app) error {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return err
	}
	if c.Report {
		return c.report(a, cat)
	}
	in, err := c.input(a, c.File, cat)
	if err != nil {
		return err
	}
	r, err := convert.Run(a.ctx, formats.All(), c.From, in)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	if err := c.write(a, r); err != nil {
		return err
	}
	return c.verdict(a, r)
}

// input reads a file, or standard input, within the bound of conversions.
func (c *convertCommand) input(a *app, name string, cat *modules.Catalogue) (convert.Input, error) {
	in := convert.Input{Name: name, Catalogue: cat, Now: time.Now()}
	var err error
	if name == "-" {
		in.Name = "stdin"
		in.Data, err = io.ReadAll(io.LimitReader(a.In, convert.MaxInput+1))
		return in, err
	}
	in.Data, err = readBounded(name, convert.MaxInput)
	in.Read = func(other string) ([]byte, error) { return readBeside(name, other) }
	return in, err
}

// readBeside reads a file that another one names. It stays in the folder of
// that one and below: rules come from strangers.
func readBeside(name, other string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(other))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, convert.MaxInput+1))
}

// write writes the query file, and the lists that it names.
func (c *convertCommand) write(a *app, r *convert.Result) error {
	text := r.Query(c.File)
	if c.Output == "" {
		if len(r.Lists) > 0 {
			return fmt.Errorf("the queries name %d lists, which are files of their own\nhint: -o FILE.qst writes them beside it", len(r.Lists))
		}
		_, err := io.WriteString(a.Out, text)
		return err
	}
	for _, l := range r.Lists {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.Output), l.Name), l.Text, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(c.Output, []byte(text), 0o644)
}

// verdict says what was not carried over.
func (c *convertCommand) verdict(a *app, r *convert.Result) error {
	var n [3]int
	for _, x := range r.Rules {
		n[x.Outcome]++
	}
	fmt.Fprintf(a.Err, "%s: %d whole, %d partly, %d not\n", r.Format, n[convert.Whole], n[convert.Partly], n[convert.Not])
	switch {
	case len(r.Rules) > 0 && n[convert.Not] == len(r.Rules):
		return &exit{code: ExitWrong}
	case c.Strict && n[convert.Whole] < len(r.Rules):
		return &exit{code: ExitAsked}
	}
	return nil
}

// report counts what becomes of a file, or of all files of a folder.
func (c *convertCommand) report(a *app, cat *modules.Catalogue) error {
	var counter convert.Counter
	one := func(name string) error {
		in, err := c.input(a, name, cat)
		if err != nil {
			counter.Fail(name, err)
			return nil
		}
		r, err := convert.Run(a.ctx, formats.All(), c.From, in)
		switch {
		case a.ctx.Err() != nil:
			return a.ctx.Err()
		case errors.Is(err, convert.ErrUnknownFormat):
			counter.Pass(name)
		case err != nil:
			counter.Fail(name, err)
		default:
			counter.Add(name, r)
		}
		return nil
	}
	err := filepath.WalkDir(c.File, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && name == c.File:
			return err
		case err != nil:
			counter.Fail(name, err)
			return nil
		case d.IsDir() && name != c.File && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return one(name)
	})
	if err != nil {
		return err
	}
	return c.show(a, counter.Tally())
}

func (c *convertCommand) show(a *app, t convert.Tally) error {
	var b bytes.Buffer
	if c.Format == "json" {
		if err := t.JSON(&b); err != nil {
			return err
		}
	} else {
		t.Table(&b)
	}
	if _, err := a.Out.Write(b.Bytes()); err != nil {
		return err
	}
	if c.Strict && !t.AllWhole() {
		return &exit{code: ExitAsked}
	}
	return nil
}
