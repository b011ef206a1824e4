package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Bounds of what an editor may send.
const (
	maxMessage = 16 << 20
	maxHeader  = 4 << 10
)

// errFraming says that what comes is no message of the protocol, and that
// nobody can tell where the next one begins.
var errFraming = errors.New("lsp: this is no language server protocol")

// readMessage reads the body of one message, behind its header, as the base
// protocol of LSP 3.17 has it.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length, read := -1, 0
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && read == 0 && len(line) == 0 {
			return nil, io.EOF
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if read += len(line); read > maxHeader || errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("%w: a header of over %d bytes", errFraming, maxHeader)
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, fmt.Errorf("%w: the line %.80q in a header", errFraming, text)
		}
		if !strings.EqualFold(name, "Content-Length") {
			continue
		}
		if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 || length > maxMessage {
			return nil, fmt.Errorf("%w: a length of %.20q; up to %d are taken", errFraming, value, maxMessage)
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("%w: a header without Content-Length", errFraming)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return body, nil
}

// A message is a request, a notification (without an ID), or an answer.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

// A failure is why a request has no result. The codes are those of JSON-RPC
// and of LSP.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeCancelled      = -32800
)

// Error says what was wrong.
func (f *failure) Error() string { return f.Message }

// A wire writes messages, from several goroutines.
type wire struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *wire) send(m message) error {
	m.Version = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// In one write, so that no half of a message stays behind.
	_, err = w.out.Write(append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(body)), body...))
	return err
}

// answer gives a request its result, or says why there is none.
func (w *wire) answer(id json.RawMessage, result any, err error) error {
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{codeInternal, err.Error()}
		}
		return w.send(message{ID: id, Error: f})
	}
	body, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return w.send(message{ID: id, Result: body})
}

func (w *wire) notify(method string, params any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return w.send(message{Method: method, Params: body})
}
