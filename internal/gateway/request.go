package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

var (
	errRequest  = errors.New("the request cannot be read")
	errBound    = errors.New("it asks for too much")
	errNotFound = errors.New("there is none")
)

// A text is what every question has.
type text struct {
	Query  string            `json:"query"`
	Params map[string]string `json:"params"`
}

func (t text) source() lang.Source { return lang.Source{Name: "query", Text: t.Query} }

// A question is the body of POST /v1/query.
type question struct {
	text
	Timeout duration `json:"timeout"` // of this machine
	Wait    duration `json:"wait"`    // for the agents of a fleet
	Window  duration `json:"window"`
	Purpose string   `json:"purpose"`
	Keep    bool     `json:"keep"` // of a fleet: the investigation goes on when the reader leaves
}

// A place is the body of POST /v1/complete.
type place struct {
	Query  string `json:"query"`
	Offset int    `json:"offset"` // in bytes
}

// A duration is written as in a query: "30s", "2d".
type duration time.Duration

// UnmarshalText reads what a query could say.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := value.ParseDuration(string(b))
	if err == nil && v < 0 {
		err = fmt.Errorf("%s is less than nothing", b)
	}
	*d = duration(v)
	return err
}

// read takes the body of a request, which is one JSON object of known keys.
func (g *Gateway) read(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fmt.Errorf("%w: its Content-Type is not application/json", errRequest)
	}
	ctl := http.NewResponseController(w)
	bounded := ctl.SetReadDeadline(time.Now().Add(g.opts.BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		// The deadline stays: what is left of the body is waited for no longer.
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if bounded == nil {
		// The answer may take longer: a deadline would end it, too.
		bounded = ctl.SetReadDeadline(time.Time{})
	}
	if bounded != nil && !errors.Is(bounded, http.ErrNotSupported) {
		return bounded
	}
	return decode(body, into)
}

// decode reads one JSON object, and refuses keys that it does not know.
func decode(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the object", errRequest)
	}
	return nil
}
