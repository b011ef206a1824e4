package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// A finding is a mistake or a doubt in a query, with its place; its keys are a
// promise to programs.
type finding struct {
	File      string `json:"file"`
	Line      int    `json:"line"` // from 1
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"` // the first one behind
	Severity  string `json:"severity"`   // error or warning
	Code      string `json:"code"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`

	source     lang.Source
	diagnostic lang.Diagnostic
}

// findings lists what is wrong or doubtful, in the order of the sources.
func findings(c *quaestor.Compiled, err error) []finding {
	var out []finding
	for _, w := range c.Warnings {
		out = append(out, newFinding(w.Source, w.Diagnostic))
	}
	for _, e := range quaestor.Mistakes(err) {
		for _, d := range e.Diagnostics {
			out = append(out, newFinding(e.Source, d))
		}
	}
	slices.SortStableFunc(out, func(a, b finding) int {
		if a.source != b.source {
			return 0
		}
		return a.diagnostic.Span.Start - b.diagnostic.Span.Start
	})
	return out
}

func newFinding(src lang.Source, d lang.Diagnostic) finding {
	f := finding{File: src.Name, Severity: "error", Code: string(d.Code), Message: d.Message, Hint: d.Hint, source: src, diagnostic: d}
	if d.Warning {
		f.Severity = "warning"
	}
	f.Line, f.Column = lang.Position(src, d.Span.Start)
	f.EndLine, f.EndColumn = lang.Position(src, max(d.Span.End, d.Span.Start))
	return f
}

// report writes findings in a form of --format.
func (a *app) report(found []finding, format string, queries int) error {
	switch format {
	case "json":
		return a.reportJSON(found)
	case "github":
		return a.reportGitHub(found)
	case "sarif":
		return a.reportSARIF(found)
	}
	mistakes := 0
	for _, f := range found {
		fmt.Fprintln(a.Err, f.diagnostic.Render(f.source))
		if f.Severity == "error" {
			mistakes++
		}
	}
	if mistakes > 0 {
		return nil
	}
	_, err := fmt.Fprintf(a.Out, "%d %s, %d %s, no mistake\n",
		queries, plural(queries, "query", "queries"), len(found), plural(len(found), "warning", "warnings"))
	return err
}

func (a *app) reportJSON(found []finding) error {
	if found == nil {
		found = []finding{}
	}
	return a.writeJSON(found, "  ")
}

// writeJSON writes a document in which nothing steers a terminal.
func (a *app) writeJSON(v any, indent string) error {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	w.SetIndent("", indent)
	if err := w.Encode(v); err != nil {
		return err
	}
	_, err := a.Out.Write(value.EscapeJSON(b.Bytes()))
	return err
}

// The characters that end a message, or a property, of a workflow command.
var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// reportGitHub writes workflow commands, which a hosted CI shows beside the
// lines that they are about.
func (a *app) reportGitHub(found []finding) error {
	for _, f := range found {
		text := f.Message
		if f.Hint != "" {
			text += ": " + f.Hint
		}
		place := fmt.Sprintf("file=%s,line=%d,endLine=%d,col=%d", commandProperty.Replace(filepath.ToSlash(f.File)), f.Line, f.EndLine, f.Column)
		if f.Line == f.EndLine {
			place += fmt.Sprintf(",endColumn=%d", f.EndColumn)
		}
		if _, err := fmt.Fprintf(a.Out, "::%s %s,title=%s::%s\n", f.Severity, place, commandProperty.Replace(f.Code), commandData.Replace(value.EscapeText(text))); err != nil {
			return err
		}
	}
	return nil
}
