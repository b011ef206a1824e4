package lsp

import (
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/lang"
)

// A position is a place in a document: a line from 0, and how many units of
// the encoding that was agreed on stand before it there.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

// An edit replaces a part of a document.
type edit struct {
	Range textRange `json:"range"`
	Text  string    `json:"newText"`
}

// A document is a file as the editor has it.
type document struct {
	uri   string
	text  string
	lines []int // where each begins
	wide  bool  // positions count bytes, and not units of UTF-16
}

func (d *document) set(text string) {
	d.text, d.lines = text, []int{0}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case text[i] == '\n' || text[i] == '\r':
			d.lines = append(d.lines, i+1)
		}
	}
}

// line gives the bounds of a line, without what ends it.
func (d *document) line(n int) (start, end int) {
	start, end = d.lines[n], len(d.text)
	if n+1 < len(d.lines) {
		end = d.lines[n+1]
	}
	return start, start + len(strings.TrimRight(d.text[start:end], "\r\n"))
}

// offset gives the byte at a position. One behind the end of a line is its
// end, as the protocol has it; one within a character is its beginning.
func (d *document) offset(p position) int {
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(d.lines):
		return len(d.text)
	}
	start, end := d.line(p.Line)
	left := p.Character
	for i, r := range d.text[start:end] {
		n := d.units(r)
		if left < n {
			return start + i
		}
		left -= n
	}
	return end
}

// units counts a character. Documents come as JSON, which has no broken text.
func (d *document) units(r rune) int {
	switch {
	case d.wide:
		return utf8.RuneLen(r)
	case r > 0xffff:
		return 2
	}
	return 1
}

// position says where a byte stands.
func (d *document) position(offset int) position {
	offset = max(0, min(offset, len(d.text)))
	low, high := 0, len(d.lines)
	for high-low > 1 {
		if middle := (low + high) / 2; d.lines[middle] <= offset {
			low = middle
		} else {
			high = middle
		}
	}
	p := position{Line: low}
	start, end := d.line(low)
	for _, r := range d.text[start:min(offset, end)] {
		p.Character += d.units(r)
	}
	return p
}

func (d *document) span(s lang.Span) textRange {
	return textRange{d.position(s.Start), d.position(max(s.End, s.Start))}
}

// A change is what an editor did to a document: it replaced a part, or all.
type change struct {
	Range *textRange `json:"range"`
	Text  string     `json:"text"`
}

func (d *document) apply(c change) {
	if c.Range == nil {
		d.set(c.Text)
		return
	}
	start, end := d.offset(c.Range.Start), d.offset(c.Range.End)
	d.set(d.text[:start] + c.Text + d.text[max(start, end):])
}

// file gives the path of a document; "" where it is none.
func (d *document) file() string { return fileOf(d.uri) }

func fileOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // /c:/hunts
	}
	return filepath.FromSlash(path)
}

func uriOf(file string) string {
	path := filepath.ToSlash(file)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
