// Package lsp is a language server for query files: it tells an editor what is
// wrong, how a query may go on and what its words mean, as the Language Server
// Protocol 3.17 has it.
//
// [Serve] is all that a newcomer needs. What a query may say is the business of
// complete and of the session that compiles: this package moves places between
// bytes and what editors count, and runs no query.
package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
)

// Options say what the server knows.
type Options struct {
	// Version is what the editor shows of the server.
	Version string
	// Session makes the session that checks a file in a folder.
	Session func(dir string) (*quaestor.LocalSession, error)
	// Context is what completion knows; its Dir is that of each file.
	Context complete.Context
	// Page gives a file that describes a module, to be opened.
	Page func(module string) (string, error)
	Log  *slog.Logger // nil: nothing is logged
}

// ErrNoShutdown says that the editor left without saying so before.
var ErrNoShutdown = errors.New("lsp: the editor ended without a shutdown")

// Serve answers an editor until it leaves. It takes requests in their order;
// one that was cancelled before its turn is not answered any more.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{opts: o, wire: &wire{out: out}, open: map[string]*document{}, stale: map[string]bool{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newQueue()
	ended := make(chan error, 1)
	go func() {
		err := q.fill(ctx, bufio.NewReaderSize(in, maxHeader), s.wire)
		q.end()
		ended <- err
	}()
	for {
		m, idle := q.next(ctx)
		switch {
		case m == nil && idle:
			if err := s.checkStale(); err != nil {
				return err
			}
			continue
		case m == nil && ctx.Err() != nil:
			return ctx.Err()
		case m == nil:
			return errors.Join(<-ended, ErrNoShutdown)
		}
		if m.Method == "exit" {
			if !s.shutdown {
				return ErrNoShutdown
			}
			return nil
		}
		if err := s.take(m); err != nil {
			return err
		}
	}
}

// A server is one editor's.
type server struct {
	opts        Options
	wire        *wire
	initialized bool
	shutdown    bool
	wide        bool // positions count bytes
	open        map[string]*document
	stale       map[string]bool // documents that changed since they were checked
}

// take deals with one message. An error is one of writing.
func (s *server) take(m *queued) error {
	if m.ID == nil {
		if err := s.notified(m.message); err != nil {
			s.opts.Log.Warn("notification", "method", m.Method, "error", err)
		}
		return nil
	}
	if m.cancelled {
		return s.wire.answer(m.ID, nil, &failure{codeCancelled, "it was cancelled"})
	}
	result, err := s.asked(m.message)
	if err != nil {
		s.opts.Log.Warn("request", "method", m.Method, "error", err)
	}
	return s.wire.answer(m.ID, result, err)
}

// asked answers a request.
func (s *server) asked(m message) (any, error) {
	switch {
	case m.Method == "initialize" && !s.initialized:
		return s.initialize(m.Params)
	case !s.initialized:
		return nil, &failure{codeNotInitialized, "initialize comes first"}
	case s.shutdown || m.Method == "initialize":
		return nil, &failure{codeInvalidRequest, m.Method + " has no place here"}
	case m.Method == "shutdown":
		s.shutdown = true
		return nil, nil
	}
	do, ok := requests[m.Method]
	if !ok {
		return nil, &failure{codeNoMethod, fmt.Sprintf("there is no method %.80q", m.Method)}
	}
	var p placed
	if err := json.Unmarshal(m.Params, &p); err != nil {
		return nil, &failure{codeInvalidParams, err.Error()}
	}
	d := s.open[p.Document.URI]
	if d == nil {
		return nil, &failure{codeInvalidParams, fmt.Sprintf("the document %.200q is not open", p.Document.URI)}
	}
	return do(s, d, p)
}

// placed is what requests about a document say.
type placed struct {
	Document struct {
		URI string `json:"uri"`
	} `json:"textDocument"`
	Position position  `json:"position"`
	Range    textRange `json:"range"`
	Context  struct {
		Only []string `json:"only"` // the kinds of actions that are wanted; none: all
	} `json:"context"`
}

var requests = map[string]func(*server, *document, placed) (any, error){
	"textDocument/completion":     (*server).completion,
	"textDocument/hover":          (*server).hover,
	"textDocument/definition":     (*server).definition,
	"textDocument/documentLink":   (*server).links,
	"textDocument/documentSymbol": (*server).symbols,
	"textDocument/formatting":     (*server).formatting,
	"textDocument/codeAction":     (*server).actions,
}

func (s *server) initialize(params json.RawMessage) (any, error) {
	var p struct {
		Capabilities struct {
			General struct {
				PositionEncodings []string `json:"positionEncodings"`
			} `json:"general"`
		} `json:"capabilities"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, &failure{codeInvalidParams, err.Error()}
	}
	s.initialized = true
	encoding := "utf-16" // what every editor speaks
	for _, e := range p.Capabilities.General.PositionEncodings {
		if e == "utf-8" {
			encoding, s.wide = e, true
		}
	}
	type none struct{}
	return map[string]any{
		"serverInfo": map[string]string{"name": "quaestor", "version": s.opts.Version},
		"capabilities": map[string]any{
			"positionEncoding":           encoding,
			"textDocumentSync":           map[string]any{"openClose": true, "change": 2, "save": none{}},
			"completionProvider":         map[string]any{"triggerCharacters": []string{" ", ".", "@", "$", "/", "(", ",", `"`}},
			"hoverProvider":              true,
			"definitionProvider":         true,
			"documentLinkProvider":       none{},
			"documentSymbolProvider":     true,
			"documentFormattingProvider": true,
			"codeActionProvider":         map[string]any{"codeActionKinds": []string{"quickfix"}},
		},
	}, nil
}

// notified takes a notification. Those that nobody knows here are passed over,
// as the protocol has it.
func (s *server) notified(m message) error {
	if !s.initialized || s.shutdown {
		return nil
	}
	var p struct {
		Document struct {
			URI  string `json:"uri"`
			Text string `json:"text"`
		} `json:"textDocument"`
		Changes []change `json:"contentChanges"`
	}
	switch m.Method {
	case "textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "textDocument/didSave":
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return err
		}
	default:
		return nil
	}
	uri := p.Document.URI
	d := s.open[uri]
	switch {
	case m.Method == "textDocument/didOpen":
		if len(s.open) >= maxOpen && d == nil {
			return fmt.Errorf("lsp: %d documents are open already", maxOpen)
		}
		d = &document{uri: uri, wide: s.wide}
		d.set(p.Document.Text)
		s.open[uri], s.stale[uri] = d, true
	case d == nil:
		return fmt.Errorf("lsp: the document %.200q is not open", uri)
	case m.Method == "textDocument/didChange":
		for _, c := range p.Changes {
			d.apply(c)
		}
		s.stale[uri] = true
	case m.Method == "textDocument/didSave":
		// A list that lies beside the queries may have been saved before.
		for other := range s.open {
			s.stale[other] = true
		}
	default:
		delete(s.open, uri)
		delete(s.stale, uri)
		return s.publish(uri, []diagnostic{})
	}
	return nil
}

// maxOpen is how many documents may be open.
const maxOpen = 1000
