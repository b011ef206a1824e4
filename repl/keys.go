package repl

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// A key is one thing that was typed: a control byte, an escape sequence, or a
// run of text.
type key struct {
	bytes  []byte
	pasted bool // a line end that was pasted, and runs nothing
}

// The sequences between which a terminal puts what is pasted, once it was
// asked to (xterm's bracketed paste, mode 2004).
const (
	pasteStart = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
)

// longestSequence is how many bytes of an escape sequence are waited for.
const longestSequence = 32

// A splitter cuts what a terminal sends into keys. Several keys can come in
// one read, and one key in several.
type splitter struct {
	unmarked bool // the terminal does not mark what is pasted
	rest     []byte
	pasting  bool
	cr       bool // the last byte of the paste was a carriage return
}

// marksPastes says whether a terminal of that name, as in $TERM, marks what is
// pasted: nearly all do. Of the others a line end that comes together with
// text counts as pasted, though somebody may have typed fast.
func marksPastes(term string) bool {
	return !slices.Contains([]string{"", "dumb", "linux", "ansi", "vt100", "vt102", "vt220", "cons25"}, term)
}

// feed takes one read; an empty one says that nothing came for a while, so
// that an escape that waits for what follows it is a key.
func (s *splitter) feed(read []byte) []key {
	together := s.unmarked && len(read) > 2
	data := append(s.rest, read...)
	s.rest = nil
	if len(read) == 0 && len(data) == 1 && data[0] == 0x1b && !s.pasting {
		return []key{{bytes: data}}
	}
	var keys []key
	for len(data) > 0 {
		k, n := s.next(data)
		if n == 0 {
			s.rest = bytes.Clone(data)
			break
		}
		data = data[n:]
		if k.bytes != nil {
			k.pasted = k.pasted || together && isLineEnd(k.bytes)
			keys = append(keys, k)
		}
	}
	return keys
}

func isLineEnd(b []byte) bool { return len(b) == 1 && (b[0] == '\r' || b[0] == '\n') }

// next cuts one key off and says how long it was; 0 asks for more bytes.
func (s *splitter) next(data []byte) (key, int) {
	switch {
	case s.pasting:
		return s.paste(data)
	case data[0] == 0x1b:
		return s.escape(data)
	case data[0] < ' ' || data[0] == 0x7f:
		return key{bytes: data[:1]}, 1
	}
	n := textRun(data)
	if n == 0 {
		return key{}, 0
	}
	return key{bytes: data[:n]}, n
}

// textRun gives the length of the text in front; 0 where its only character
// is not whole yet.
func textRun(data []byte) int {
	n := 0
	for n < len(data) && data[n] >= ' ' && data[n] != 0x7f {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 && !utf8.FullRune(data[n:]) {
			break
		}
		n += size
	}
	return n
}

// escape cuts off an escape sequence: CSI, SS3, or a byte behind the escape.
func (s *splitter) escape(data []byte) (key, int) {
	if bytes.HasPrefix(data, []byte(pasteStart)) {
		s.pasting = true
		return key{}, len(pasteStart)
	}
	if len(data) == 1 {
		return key{}, 0
	}
	switch data[1] {
	case '[':
		for i := 2; i < len(data); i++ {
			if data[i] >= '@' && data[i] <= '~' {
				return key{bytes: data[:i+1]}, i + 1
			}
			if i == longestSequence {
				return key{}, i // no terminal sends that
			}
		}
		return key{}, 0
	case 'O':
		if len(data) < 3 {
			return key{}, 0
		}
		return key{bytes: data[:3]}, 3
	}
	return key{bytes: data[:2]}, 2
}

// paste gives what is pasted as text and line ends. A tab is a blank, and
// other control bytes are nothing: they would be keys.
func (s *splitter) paste(data []byte) (key, int) {
	if bytes.HasPrefix(data, []byte(pasteEnd)) {
		s.pasting, s.cr = false, false
		return key{}, len(pasteEnd)
	}
	c, cr := data[0], s.cr
	s.cr = c == '\r'
	switch {
	case c == 0x1b && len(data) < len(pasteEnd) && bytes.HasPrefix([]byte(pasteEnd), data):
		return key{}, 0
	case c == '\n' && cr:
		return key{}, 1
	case c == '\r' || c == '\n':
		return key{bytes: []byte{'\r'}, pasted: true}, 1
	case c == '\t':
		return key{bytes: []byte{' '}}, 1
	case c < ' ' || c == 0x7f:
		return key{}, 1
	}
	n := textRun(data)
	if n == 0 {
		return key{}, 0
	}
	return key{bytes: data[:n]}, n
}
