package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// columnar writes every table of a case into a Parquet file of its own:
// NAME-ENTRY-TABLE.parquet beside the output, where ENTRY is the question's.
func (c *caseExportCommand) columnar(a *app, kept *cases.Case) error {
	if c.Output == "" {
		return errors.New("Parquet files are several\nhint: -o NAME.parquet writes NAME-ENTRY-TABLE.parquet")
	}
	found := false
	for e, err := range kept.Entries(a.ctx) {
		if err != nil {
			return err
		}
		switch {
		case e.Question != nil:
			found = true
			if err := c.tables(a, kept, e); err != nil {
				return err
			}
		case e.Answer != nil && !e.Answer.Complete():
			fmt.Fprintf(a.Err, "warning: the answer of entry %d is not whole: %s\n", e.Of, value.EscapeText(e.Answer.Summary.Reason))
		}
		if e.Doubt != "" {
			fmt.Fprintf(a.Err, "warning: entry %d: %s\n", e.Seq, value.EscapeText(e.Doubt))
		}
	}
	if !found {
		return fmt.Errorf("the case %s keeps no answer", c.Name)
	}
	return nil
}

// A tableFile is one table on its way to the disk.
type tableFile struct {
	*os.File
	sink render.Sink
}

// tables writes those of one question.
func (c *caseExportCommand) tables(a *app, kept *cases.Case, e *cases.Entry) (err error) {
	var files []tableFile
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.sink.End(answer.Summary{}), f.Close())
		}
	}()
	for _, t := range e.Question.Tables {
		tab := render.Table{Name: t.Name}
		for _, col := range t.Columns {
			tab.Columns = append(tab.Columns, render.Column{Name: col.Name, Type: col.Type})
		}
		f, err := besides(c.Output, fmt.Sprintf("%d-%s", e.Seq, t.Name))
		if err != nil {
			return err
		}
		sink, err := render.New("parquet", f, render.Options{})
		if err != nil {
			return errors.Join(err, f.Close())
		}
		files = append(files, tableFile{f, sink})
		if err := sink.Begin([]render.Table{tab}); err != nil {
			return err
		}
		fmt.Fprintln(a.Err, value.EscapeText(f.Name()))
	}
	return kept.Rows(a.ctx, e.Seq, func(table int, values []value.Value) error {
		return files[table].sink.Row(0, values)
	})
}

// besides makes the file of one table beside another: NAME-TABLE.parquet
// beside NAME.parquet.
func besides(file, table string) (*os.File, error) {
	ext := filepath.Ext(file)
	table = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:`+"\x00", r) {
			return '_'
		}
		return r
	}, table)
	return os.OpenFile(strings.TrimSuffix(file, ext)+"-"+table+ext, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}
