package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// A Code says what kind of thing went wrong, for programs.
type Code string

// The codes.
const (
	CodeRequest      Code = "bad-request"    // the request cannot be read
	CodeUnauthorised Code = "unauthorised"   // no token, or a wrong one
	CodeForbidden    Code = "forbidden"      // it came from elsewhere
	CodeNotFound     Code = "not-found"      // there is no such thing
	CodeTooLarge     Code = "too-large"      // the body has more than MaxBody bytes
	CodeBusy         Code = "busy"           // too many answers stream already
	CodeQuery        Code = "wrong-query"    // the query has mistakes: diagnostics
	CodePending      Code = "pending"        // the plan waits for further signatures
	CodeNoFleet      Code = "no-fleet"       // no fleet is set up here
	CodeFailed       Code = "failed"         // it could not be asked, or its answer broke off
	CodeStopped      Code = "stopped"        // the gateway was stopped
	CodeTooMuch      Code = "over-the-bound" // a time that is longer than may be asked for
)

var statusOf = map[Code]int{
	CodeRequest: http.StatusBadRequest, CodeUnauthorised: http.StatusUnauthorized, CodeForbidden: http.StatusForbidden,
	CodeNotFound: http.StatusNotFound, CodeTooLarge: http.StatusRequestEntityTooLarge, CodeBusy: http.StatusTooManyRequests,
	CodeQuery: http.StatusUnprocessableEntity, CodePending: http.StatusConflict, CodeNoFleet: http.StatusNotFound,
	CodeFailed: http.StatusBadGateway, CodeStopped: http.StatusServiceUnavailable, CodeTooMuch: http.StatusUnprocessableEntity,
}

// A Problem is what went wrong: the last line of an answer, or the body where
// none began.
type Problem struct {
	Kind        string       `json:"kind"` // "error"
	Code        Code         `json:"code"`
	Message     string       `json:"message"`
	Hint        string       `json:"hint,omitempty"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
	More        int          `json:"more,omitempty"`    // mistakes that are not among them
	Summary     *account     `json:"summary,omitempty"` // of what came before it went wrong
}

// A Diagnostic is a mistake in a query, or a doubt about it.
type Diagnostic struct {
	Code    lang.Code `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
	Warning bool      `json:"warning"`
	Start   int       `json:"start"` // of the place, in bytes
	End     int       `json:"end"`
	Line    int       `json:"line"`   // from 1
	Column  int       `json:"column"` // from 1, in characters
	Text    string    `json:"text"`   // as a terminal shows it, with the line and carets
}

func newDiagnostic(d lang.Diagnostic, src lang.Source) Diagnostic {
	front := src.Text[:min(max(d.Span.Start, 0), len(src.Text))]
	line := front[strings.LastIndexByte(front, '\n')+1:]
	return Diagnostic{
		Code: d.Code, Message: d.Message, Hint: d.Hint, Warning: d.Warning,
		Start: d.Span.Start, End: d.Span.End,
		Line: 1 + strings.Count(front, "\n"), Column: 1 + utf8.RuneCountInString(line),
		Text: d.Render(src),
	}
}

// problem makes a problem of an error.
func problem(err error) *Problem {
	p := &Problem{Kind: "error", Code: CodeFailed}
	for _, e := range quaestor.Mistakes(err) {
		p.More += e.More
		for _, d := range e.Diagnostics {
			p.Diagnostics = append(p.Diagnostics, newDiagnostic(d, e.Source))
		}
	}
	p.Message, p.Hint, _ = strings.Cut(err.Error(), "\nhint: ")
	var tooLarge *http.MaxBytesError
	switch {
	case len(p.Diagnostics) > 0:
		p.Code, p.Message, p.Hint = CodeQuery, p.Diagnostics[0].Message, p.Diagnostics[0].Hint
	case errors.As(err, &tooLarge):
		p.Code, p.Message = CodeTooLarge, "the body is too large"
	case errors.Is(err, errNoFleet), errors.Is(err, client.ErrNoRelay):
		p.Code = CodeNoFleet
	case errors.Is(err, client.ErrPending):
		p.Code, p.Hint = CodePending, "somebody else does quaestor cosign and submit"
	case errors.Is(err, errRequest):
		p.Code = CodeRequest
	case errors.Is(err, errBound):
		p.Code = CodeTooMuch
	case errors.Is(err, errNotFound):
		p.Code = CodeNotFound
	case errors.Is(err, context.Canceled):
		p.Code, p.Message = CodeStopped, "it was stopped before its answer was whole"
	}
	return p
}

// fail answers with a problem alone.
func fail(w http.ResponseWriter, p *Problem) {
	p.Kind = "error"
	if p.Code == CodeBusy {
		w.Header().Set("Retry-After", "1")
	}
	write(w, statusOf[p.Code], p)
}

// write answers with JSON, which may end on a terminal: what hosts wrote
// steers none.
func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: an answer that JSON cannot say: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Whoever does not read it has gone, and there is nobody to tell.
	_, _ = w.Write(append(value.EscapeJSON(b), '\n'))
}
