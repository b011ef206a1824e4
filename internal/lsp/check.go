package lsp

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// A diagnostic is a mistake or a doubt, as the protocol has it.
type diagnostic struct {
	Range       textRange `json:"range"`
	Severity    int       `json:"severity"`
	Code        string    `json:"code,omitempty"`
	Description *href     `json:"codeDescription,omitempty"`
	Source      string    `json:"source"`
	Message     string    `json:"message"`

	lang lang.Diagnostic
}

type href struct {
	Href string `json:"href"`
}

// The severities of the protocol.
const (
	severityError   = 1
	severityWarning = 2
)

// messagesPage explains every code.
const messagesPage = "https://github.com/quaestor-engine/quaestor/blob/main/docs/errors.md#"

func (d *document) diagnostic(l lang.Diagnostic) diagnostic {
	out := diagnostic{Range: d.span(l.Span), Severity: severityError, Code: string(l.Code), Source: "quaestor", Message: value.EscapeText(l.Message), lang: l}
	if l.Warning {
		out.Severity = severityWarning
	}
	if l.Hint != "" {
		out.Message += "\n" + value.EscapeText(l.Hint)
	}
	out.Description = &href{messagesPage + string(l.Code)}
	return out
}

// checkStale checks what changed since it was checked.
func (s *server) checkStale() error {
	for _, uri := range slices.Sorted(maps.Keys(s.stale)) {
		delete(s.stale, uri)
		if err := s.publish(uri, s.check(s.open[uri])); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) publish(uri string, found []diagnostic) error {
	return s.wire.notify("textDocument/publishDiagnostics", map[string]any{"uri": uri, "diagnostics": found})
}

// check lists what is wrong or doubtful. A parameter that has no value yet is
// no mistake; that the document could not be checked is shown as one, since it
// must not look as if it were right.
func (s *server) check(d *document) []diagnostic {
	unchecked := func(err error) []diagnostic {
		s.opts.Log.Error("check", "document", d.uri, "error", err)
		return []diagnostic{{Severity: severityError, Source: "quaestor", Message: "this could not be checked: " + err.Error()}}
	}
	session, err := s.opts.Session(d.dir())
	if err != nil {
		return unchecked(err)
	}
	defer session.Close()
	compiled, err := session.Compile(lang.Source{Name: d.name(), Text: d.text})
	if err != nil && len(mistakes(err)) == 0 {
		return unchecked(err)
	}
	found := []diagnostic{}
	for _, w := range compiled.Warnings {
		found = append(found, d.diagnostic(w.Diagnostic))
	}
	for _, e := range mistakes(err) {
		if e.Code != planner.CodeParameterWithoutValue && e.Code != lang.CodeEmptySource {
			found = append(found, d.diagnostic(e))
		}
	}
	slices.SortStableFunc(found, func(a, b diagnostic) int { return a.lang.Span.Start - b.lang.Span.Start })
	return found
}

// dir is where the lists of a document are looked for: beside it.
func (d *document) dir() string {
	if file := d.file(); file != "" {
		return filepath.Dir(file)
	}
	return ""
}

// list gives the file of a list; "" for one without a folder, where it would be
// that which the editor was started in.
func (d *document) list(l *lang.ListRef) string {
	file := filepath.FromSlash(l.Path)
	switch dir := d.dir(); {
	case filepath.IsAbs(file):
		return file
	case dir != "":
		return filepath.Join(dir, file)
	}
	return ""
}

func (d *document) name() string {
	if file := d.file(); file != "" {
		return filepath.Base(file)
	}
	return "query"
}
