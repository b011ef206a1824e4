package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/lang"
)

// Run formats queries. Files with mistakes are named and left as they are;
// the others are done all the same.
func (c *fmtCommand) Run(a *app) error {
	if len(c.Files) == 0 {
		if c.Write {
			return errors.New("-w needs files")
		}
		c.Files = []string{"-"}
	}
	var errs []error
	differs := false
	for _, name := range c.Files {
		changes, err := c.one(a, name)
		differs = differs || changes
		var wrong *lang.Error
		if err != nil && !errors.As(err, &wrong) {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return &exit{ExitWrong, errors.Join(errs...)}
	}
	if c.Diff && differs {
		return &exit{code: ExitAsked}
	}
	return nil
}

// one formats a file, and says whether that changes it.
func (c *fmtCommand) one(a *app, name string) (changes bool, err error) {
	src := lang.Source{Name: name}
	if name == "-" {
		var text []byte
		text, err = io.ReadAll(io.LimitReader(a.In, maxSource))
		src = lang.Source{Name: "stdin", Text: string(text)}
	} else {
		src.Text, err = readFile(name)
	}
	if err != nil {
		return false, err
	}
	f, err := lang.Parse(src)
	if err != nil {
		return false, err
	}
	text := lang.Format(f)
	switch {
	case c.Diff:
		_, err = a.Out.Write(diff.Diff(src.Name+".orig", []byte(src.Text), src.Name, []byte(text)))
	case !c.Write || name == "-":
		_, err = io.WriteString(a.Out, text)
	case text != src.Text:
		if err = rewrite(name, text); err == nil {
			_, err = fmt.Fprintln(a.Out, name)
		}
	}
	return text != src.Text, err
}

// rewrite replaces a file's text by way of a second file, so that a full disk
// leaves the first.
func rewrite(name, text string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return wholefile.Keep(name, info.Mode().Perm(), []byte(text))
}
