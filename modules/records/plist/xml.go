package plist

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// An xmlFile is a list in the form of XML that is being read.
type xmlFile struct {
	left budget
	open []*Value     // lists and dictionaries that have begun
	key  []string     // of the dictionaries among them, what the next value is called …
	has  []bool       // … and whether that was said
	root *Value       // what was read
	name string       // the element of a text that is being read
	text bytes.Buffer // and what it holds so far
}

func decodeXML(data []byte) (*Value, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-16", "us-ascii", "ascii": // UTF-16 was taken off by its mark
			return in, nil
		}
		return nil, fmt.Errorf("charset %q: %w", charset, errors.ErrUnsupported)
	}
	f := xmlFile{left: newBudget()}
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = f.token(t)
		} else if !errors.Is(err, errors.ErrUnsupported) {
			err = malformed("%w", err)
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if f.root == nil {
		return nil, malformed("it holds no value")
	}
	return f.root, nil
}

func (f *xmlFile) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return f.start(t.Name.Local)
	case xml.EndElement:
		return f.end(t.Name.Local)
	case xml.CharData:
		if f.name != "" {
			f.text.Write(t)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return malformed("text between the values")
		}
	}
	return nil
}

func (f *xmlFile) start(name string) error {
	if f.name != "" {
		return malformed("<%s> in <%s>", name, f.name)
	}
	switch name {
	case "plist":
		if f.root != nil || len(f.open) > 0 {
			return malformed("<plist> in the middle")
		}
	case "array", "dict":
		v := &Value{Kind: List}
		if name == "dict" {
			v.Kind = Dict
		}
		if len(f.open) >= maxDepth {
			return errDeep
		}
		if err := f.add(v); err != nil {
			return err
		}
		f.open, f.key, f.has = append(f.open, v), append(f.key, ""), append(f.has, false)
	case "key", "string", "data", "date", "real", "integer", "true", "false":
		f.name = name
		f.text.Reset()
	default:
		return malformed("an element <%s>, which property lists do not have", name)
	}
	return nil
}

func (f *xmlFile) end(name string) error {
	last := len(f.open) - 1
	switch name {
	case "plist":
		return nil
	case "array", "dict":
		if f.has[last] {
			return malformed("a key %q without a value", f.key[last])
		}
		f.open, f.key, f.has = f.open[:last], f.key[:last], f.has[:last]
		return nil
	}
	f.name = ""
	text := f.text.String()
	if name == "key" {
		if last < 0 || f.open[last].Kind != Dict || f.has[last] {
			return malformed("a key %q where none belongs", text)
		}
		f.key[last], f.has[last] = text, true
		return f.left.take(0, len(text))
	}
	v, err := scalar(name, text)
	if err != nil {
		return err
	}
	return f.add(v)
}

// add puts a value where the file is.
func (f *xmlFile) add(v *Value) error {
	if err := f.left.take(1, len(v.text)); err != nil {
		return err
	}
	last := len(f.open) - 1
	if last < 0 {
		if f.root != nil {
			return malformed("a second value")
		}
		f.root = v
		return nil
	}
	in := f.open[last]
	if in.Kind == Dict {
		if !f.has[last] {
			return malformed("a value without a key")
		}
		in.keys, f.has[last] = append(in.keys, f.key[last]), false
	}
	in.list = append(in.list, v)
	return nil
}

// scalar makes a value of an element and what it holds.
func scalar(name, text string) (*Value, error) {
	trimmed := strings.TrimSpace(text)
	switch name {
	case "string":
		return &Value{Kind: Text, text: text}, nil
	case "true", "false":
		if trimmed != "" {
			return nil, malformed("text in <%s>", name)
		}
		v := &Value{Kind: Bool}
		if name == "true" {
			v.bits = 1
		}
		return v, nil
	case "integer":
		return integer(trimmed)
	case "real":
		r, err := strconv.ParseFloat(trimmed, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, malformed("a real %.40q", trimmed)
		}
		return &Value{Kind: Real, bits: math.Float64bits(r)}, nil
	case "date":
		t, err := time.Parse("2006-01-02T15:04:05Z", trimmed)
		if err != nil || t.Year() < 1 {
			return nil, malformed("a date %.40q", trimmed)
		}
		return dateOf(t), nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' { // it leaves the ends of lines out by itself
			return -1
		}
		return r
	}, text))
	if err != nil {
		return nil, malformed("data that is not base64")
	}
	return &Value{Kind: Data, text: string(b)}, nil
}

// maxDigits bounds the digits of a whole number: the binary form has 128 bits.
const maxDigits = 40

// integer reads a whole number, which may be in hexadecimal.
func integer(text string) (*Value, error) {
	digits, minus := strings.CutPrefix(strings.TrimPrefix(text, "+"), "-")
	base := 10
	if hex := strings.TrimPrefix(strings.TrimPrefix(digits, "0x"), "0X"); hex != digits {
		digits, base = hex, 16
	}
	i, ok := new(big.Int), false
	if len(digits) <= maxDigits && !strings.HasPrefix(digits, "-") && !strings.HasPrefix(digits, "+") {
		i, ok = i.SetString(digits, base)
	}
	if !ok {
		return nil, malformed("an integer %.40q", text)
	}
	if minus {
		i.Neg(i)
	}
	if i.IsInt64() {
		return &Value{Kind: Int, bits: uint64(i.Int64())}, nil
	}
	return &Value{Kind: Int, text: i.String()}, nil
}
