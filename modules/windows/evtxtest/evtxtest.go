// Package evtxtest writes event logs of Windows for tests.
//
// [Log] makes the bytes of one from events, in chunks of as many as each list
// has. It is written from the description of the format in package evtx and
// shares no code with it, so that each is a test of the other. It must not be
// linked into a program.
package evtxtest

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

var le = binary.LittleEndian

// An Event is what is written of one.
type Event struct {
	Time                        time.Time
	Provider, Channel, Computer string
	ID                          uint16
	Level                       byte
	SID                         string // of the user; "" for none
	PID                         uint32
	Data                        []Datum
	// Name of the element that holds the data, "EventData" where it is empty.
	Name string
}

// A Datum is a value of an event, of a type by its number in the format.
type Datum struct {
	Name string
	Kind byte
	Data []byte
}

// Text makes a datum that is a text.
func Text(name, text string) Datum { return Datum{name, 1, wide(text)} }

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// SID makes the bytes of a security identifier.
func SID(text string) []byte {
	parts := strings.Split(text, "-")[1:]
	var n []uint64
	for _, p := range parts {
		v, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			panic("evtxtest: " + err.Error())
		}
		n = append(n, v)
	}
	b := []byte{byte(n[0]), byte(len(n) - 2), 0, 0, byte(n[1] >> 24), byte(n[1] >> 16), byte(n[1] >> 8), byte(n[1])}
	for _, v := range n[2:] {
		b = le.AppendUint32(b, uint32(v))
	}
	return b
}

func filetime(t time.Time) []byte {
	return le.AppendUint64(nil, uint64(t.UnixNano()/100)+116444736000000000)
}

const chunkSize = 64 << 10

// Log makes a log. Records are numbered from 1.
func Log(chunks ...[]Event) []byte {
	head := make([]byte, 4096)
	var body []byte
	id := uint64(1)
	for _, events := range chunks {
		c := &chunk{b: make([]byte, 512), names: map[string]int{}, tmpls: map[string]int{}}
		first, last := id, 0
		for i := range events {
			last = len(c.b)
			c.record(id, &events[i])
			id++
		}
		body = append(body, c.done(first, id-1, last)...)
	}
	copy(head, "ElfFile\x00")
	le.PutUint64(head[16:], uint64(max(len(chunks)-1, 0)))
	le.PutUint64(head[24:], id)
	le.PutUint32(head[32:], 128)
	le.PutUint16(head[36:], 1)
	le.PutUint16(head[38:], 3)
	le.PutUint16(head[40:], 4096)
	le.PutUint16(head[42:], uint16(len(chunks)))
	SignFile(head)
	return append(head, body...)
}

// SignFile puts the checksum into the head of a file.
func SignFile(b []byte) { le.PutUint32(b[124:], crc32.ChecksumIEEE(b[:120])) }

// SignChunk puts the checksums into a chunk.
func SignChunk(b []byte) {
	if end := le.Uint32(b[48:]); end >= 512 && end <= chunkSize {
		le.PutUint32(b[52:], crc32.ChecksumIEEE(b[512:end]))
	}
	le.PutUint32(b[124:], crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:512]))
}

type chunk struct {
	b            []byte
	names, tmpls map[string]int
}

func (c *chunk) done(first, last uint64, lastAt int) []byte {
	end := len(c.b)
	if end > chunkSize {
		panic("evtxtest: more events than a chunk holds")
	}
	b := append(c.b, make([]byte, chunkSize-end)...)
	copy(b, "ElfChnk\x00")
	le.PutUint64(b[8:], first)
	le.PutUint64(b[16:], last)
	le.PutUint64(b[24:], first)
	le.PutUint64(b[32:], last)
	le.PutUint32(b[40:], 128)
	le.PutUint32(b[44:], uint32(lastAt))
	le.PutUint32(b[48:], uint32(end))
	SignChunk(b)
	return b
}

func (c *chunk) put(b ...byte) { c.b = append(c.b, b...) }
func (c *chunk) put16(n int)   { c.b = le.AppendUint16(c.b, uint16(n)) }
func (c *chunk) put32(n int)   { c.b = le.AppendUint32(c.b, uint32(n)) }

func (c *chunk) record(id uint64, e *Event) {
	start := len(c.b)
	c.put('*', '*', 0, 0, 0, 0, 0, 0)
	c.b = le.AppendUint64(c.b, id)
	c.put(filetime(e.Time)...)
	c.put(0x0f, 1, 1, 0)
	c.event(id, e)
	c.put(0)
	size := len(c.b) - start + 4
	c.put32(size)
	le.PutUint32(c.b[start+4:], uint32(size))
}

// name writes the offset of a name, and the name where it is new.
func (c *chunk) name(s string) {
	if at, ok := c.names[s]; ok {
		c.put32(at)
		return
	}
	at := len(c.b) + 4
	c.names[s] = at
	c.put32(at)
	hash := uint32(0)
	for _, u := range utf16.Encode([]rune(s)) {
		hash = hash*65599 + uint32(u)
	}
	c.put32(0)
	c.put16(int(uint16(hash)))
	c.put16(len(s))
	c.put(wide(s)...)
	c.put16(0)
}

// A sub is the number of a value that is put in, and its type.
type sub struct {
	number int
	kind   byte
}

// An attr is an attribute whose value is put in, or is a text.
type attr struct {
	name string
	sub  sub
	text string
}

// element writes an element; inside writes what is in it, nil for nothing.
func (c *chunk) element(name string, attrs []attr, inside func()) {
	token := byte(1)
	if len(attrs) > 0 {
		token |= 0x40
	}
	c.put(token)
	c.put16(0xffff)
	sizeAt := len(c.b)
	c.put32(0)
	c.name(name)
	if len(attrs) > 0 {
		at := len(c.b)
		c.put32(0)
		for i, a := range attrs {
			token := byte(6)
			if i < len(attrs)-1 {
				token |= 0x40
			}
			c.put(token)
			c.name(a.name)
			if a.text != "" {
				c.text(a.text)
			} else {
				c.sub(a.sub)
			}
		}
		le.PutUint32(c.b[at:], uint32(len(c.b)-at-4))
	}
	if inside == nil {
		c.put(3)
	} else {
		c.put(2)
		inside()
		c.put(4)
	}
	le.PutUint32(c.b[sizeAt:], uint32(len(c.b)-sizeAt-4))
}

func (c *chunk) text(s string) {
	c.put(5, 1)
	c.put16(len(utf16.Encode([]rune(s))))
	c.put(wide(s)...)
}

func (c *chunk) sub(s sub) {
	c.put(0x0e)
	c.put16(s.number)
	c.put(s.kind)
}

// template writes the use of a template, whose definition is written where it
// is used for the first time, and the values that are put in.
func (c *chunk) template(id string, define func(), values []func() byte) {
	c.put(0x0c, 1)
	at, known := c.tmpls[id]
	if !known {
		at = len(c.b) + 8
		c.tmpls[id] = at
	}
	c.put32(len(c.tmpls))
	c.put32(at)
	if !known {
		c.put32(0)
		c.put(make([]byte, 16)...)
		le.PutUint32(c.b[len(c.b)-16:], uint32(len(c.tmpls)))
		sizeAt := len(c.b)
		c.put32(0)
		c.put(0x0f, 1, 1, 0)
		define()
		c.put(0)
		le.PutUint32(c.b[sizeAt:], uint32(len(c.b)-sizeAt-4))
	}
	c.put32(len(values))
	heads := len(c.b)
	c.put(make([]byte, 4*len(values))...)
	for i, v := range values {
		start := len(c.b)
		kind := v()
		le.PutUint16(c.b[heads+4*i:], uint16(len(c.b)-start))
		c.b[heads+4*i+2] = kind
	}
}
