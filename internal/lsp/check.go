package lsp

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/planner"
)

// A diagnostic is a mistake or a doubt, as the protocol has it.
type diagnostic struct {
	Range       textRange `json:"range"`
	Severity    int       `json:"severity"`
	Code        string    `json:"code"`
	Description struct {
		Href string `json:"href"`
	} `json:"codeDescription"`
	Source  string `json:"source"`
	Message string `json:"message"`

	lang lang.Diagnostic
}

// The severities of the protocol.
const (
	severityError   = 1
	severityWarning = 2
)

// messagesPage explains every code.
const messagesPage = "https://github.com/quaestor-engine/quaestor/blob/main/docs/errors.md#"

func (d *document) diagnostic(l lang.Diagnostic) diagnostic {
	out := diagnostic{Range: d.span(l.Span), Severity: severityError, Code: string(l.Code), Source: "quaestor", Message: l.Message, lang: l}
	if l.Warning {
		out.Severity = severityWarning
	}
	if l.Hint != "" {
		out.Message += "\n" + l.Hint
	}
	out.Description.Href = messagesPage + string(l.Code)
	return out
}

// checkStale checks what changed since it was checked.
func (s *server) checkStale() error {
	for _, uri := range slices.Sorted(maps.Keys(s.stale)) {
		delete(s.stale, uri)
		found, err := s.check(s.open[uri])
		if err != nil {
			s.opts.Log.Error("check", "document", uri, "error", err)
			continue
		}
		if err := s.publish(uri, found); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) publish(uri string, found []diagnostic) error {
	return s.wire.notify("textDocument/publishDiagnostics", map[string]any{"uri": uri, "diagnostics": found})
}

// check lists what is wrong or doubtful. A parameter that has no value yet is
// no mistake.
func (s *server) check(d *document) ([]diagnostic, error) {
	session, err := s.opts.Session(d.dir())
	if err != nil {
		return nil, err
	}
	defer session.Close()
	compiled, err := session.Compile(lang.Source{Name: d.name(), Text: d.text})
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
	return found, nil
}

// dir is where the lists of a document are looked for: beside it.
func (d *document) dir() string {
	if file := d.file(); file != "" {
		return filepath.Dir(file)
	}
	return ""
}

func (d *document) name() string {
	if file := d.file(); file != "" {
		return filepath.Base(file)
	}
	return "query"
}
