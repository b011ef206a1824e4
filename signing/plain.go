package signing

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// plainPlan reads a payload as decodeJSON does, for a fifth of its time, where it
// is as most are: of this version, without parameters and lists, and with no
// text that has other escapes than \", \\, \n and \t. nil says nothing: decodeJSON
// decides.
func plainPlan(b []byte) *PlanPayload {
	r := reader{rest: b}
	p := &PlanPayload{Version: Version}
	r.word(`{"version":1,"id":"`)
	p.ID = r.id()
	r.word(`,"fleet":"`)
	p.Fleet = r.id()
	r.word(`,"query":"`)
	p.Query = r.plain()
	r.word(`,"compiled":"`)
	p.Compiled = r.base64()
	r.word(`,"planned":"`)
	p.Planned = r.second()
	r.word(`,"not_before":"`)
	p.NotBefore = r.second()
	r.word(`,"expires":"`)
	p.Expires = r.second()
	r.word(`,"purpose":"`)
	p.Purpose = r.plain()
	r.word(`,"reply_key":"`)
	p.ReplyKey = r.base64()
	if r.has(`,"wrapped":"`) {
		p.Wrapped = r.base64()
		r.bad = r.bad || len(p.Wrapped) == 0 // it would not be there
	}
	r.word(`,"cancel":"`)
	p.Cancel = r.base64()
	r.word(`,"modules":[`)
	p.Modules = r.names()
	if r.has(`,"content":[`) {
		p.Content = r.names()
	}
	r.word(`}`)
	if r.bad || len(r.rest) > 0 {
		return nil
	}
	return p
}

// has takes w where it comes next.
func (r *reader) has(w string) bool {
	rest, ok := bytes.CutPrefix(r.rest, []byte(w))
	if ok {
		r.rest = rest
	}
	return ok
}

// id takes an ID as String gives it.
func (r *reader) id() ID {
	text := string(r.until())
	id, err := ParseID(text)
	if err != nil || id.String() != text {
		r.bad = true
	}
	return id
}

// second takes a time of whole seconds, in UTC, as JSON has it.
func (r *reader) second() time.Time {
	text := string(r.until())
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Format("2006-01-02T15:04:05Z") != text {
		r.bad = true
	}
	return t
}

// names takes a list of one text at least.
func (r *reader) names() (list []string) {
	for !r.bad {
		r.word(`"`)
		list = append(list, r.plain())
		if r.has(`]`) {
			break
		}
		r.word(`,`)
	}
	return list
}

// plain takes a text as JSON has it, with few escapes.
func (r *reader) plain() string {
	end, escaped, ascii := 0, false, true
	for ; end < len(r.rest) && r.rest[end] != '"'; end++ {
		switch c := r.rest[end]; {
		case c == '\\':
			escaped = true
			end++ // whatever it is, it ends nothing
		case c < ' ':
			r.bad = true
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if r.bad || end >= len(r.rest) {
		r.bad = true
		return ""
	}
	b := r.rest[:end]
	r.rest = r.rest[end+1:]
	// JSON escapes the two separators of lines that JavaScript has beside \n.
	if !ascii && (!utf8.Valid(b) || bytes.Contains(b, []byte("\u2028")) || bytes.Contains(b, []byte("\u2029"))) {
		r.bad = true
	}
	if escaped {
		b = r.unescape(b)
	}
	return string(b)
}

// unescape gives a text without its escapes, each of which must be one that JSON
// has no shorter form for.
func (r *reader) unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return append(out, b...)
		}
		out = append(out, b[:i]...)
		switch b[i+1] {
		case '"', '\\':
			out = append(out, b[i+1])
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		default:
			r.bad = true
			return nil
		}
		b = b[i+2:]
	}
}
