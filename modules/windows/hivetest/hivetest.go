// Package hivetest writes hives of the Windows registry for tests, from a text
// that people can read.
//
// [Hive] makes the bytes of one, [Write] puts several into a tree that stands
// for a host. A text is keys in brackets, which begin at the hive's root and
// may be followed by the time of their last change, and under each its values,
// one a line:
//
//	[Microsoft\Windows\CurrentVersion\Run] 2026-11-20T10:00:00Z
//	@ = sz the default value
//	Updater = expand %TEMP%\u.exe
//	Start = dword 2
//	Packages = multi kerberos|msv1_0
//	F = hex 0300 01
//
// Further types are qword, number (a type by its number, then hex) and link.
// It is written from the description of the format in package regf and shares
// no code with it, so that each is a test of the other. It must not be linked
// into a program.
package hivetest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// Now is when keys changed whose text does not say it.
func Now() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }

type key struct {
	name   string
	at     time.Time
	keys   []*key
	values []val
}

type val struct {
	name string
	kind uint32
	data []byte
}

// Write writes hives into a tree: by their paths below it, with slashes.
func Write(t testing.TB, root string, hives map[string]string) {
	t.Helper()
	for name, text := range hives {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, Hive(t, text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Hive makes the bytes of a hive.
func Hive(t testing.TB, text string) []byte {
	t.Helper()
	root := &key{name: "ROOT", at: Now()}
	at := root
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, when, _ := strings.Cut(line[1:], "]")
			at = root.child(name)
			if when = strings.TrimSpace(when); when != "" {
				var err error
				if at.at, err = time.Parse(time.RFC3339, when); err != nil {
					t.Fatalf("hivetest: line %d: %v", n+1, err)
				}
			}
			continue
		}
		v, err := parse(line)
		if err != nil {
			t.Fatalf("hivetest: line %d: %v", n+1, err)
		}
		at.values = append(at.values, v)
	}
	return root.hive()
}

// child gives the key of that path, and makes it.
func (k *key) child(path string) *key {
	for _, part := range strings.Split(path, `\`) {
		if part == "" {
			continue
		}
		i := slices.IndexFunc(k.keys, func(c *key) bool { return strings.EqualFold(c.name, part) })
		if i < 0 {
			k.keys = append(k.keys, &key{name: part, at: Now()})
			i = len(k.keys) - 1
		}
		k = k.keys[i]
	}
	return k
}

func parse(line string) (val, error) {
	name, rest, ok := strings.Cut(line, " = ")
	if !ok {
		return val{}, fmt.Errorf("%q is not NAME = TYPE DATA", line)
	}
	if name == "@" {
		name = ""
	}
	kind, text, _ := strings.Cut(rest, " ")
	v := val{name: name}
	switch kind {
	case "sz":
		v.kind, v.data = 1, wide(text+"\x00")
	case "expand":
		v.kind, v.data = 2, wide(text+"\x00")
	case "link":
		v.kind, v.data = 6, wide(text)
	case "multi":
		v.kind, v.data = 7, wide(strings.ReplaceAll(text, "|", "\x00")+"\x00\x00")
	case "dword", "qword":
		n, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return val{}, err
		}
		v.kind, v.data = 4, binary.LittleEndian.AppendUint32(nil, uint32(n))
		if kind == "qword" {
			v.kind, v.data = 11, binary.LittleEndian.AppendUint64(nil, n)
		}
	case "hex", "number":
		v.kind = 3
		if kind == "number" {
			number, after, _ := strings.Cut(text, " ")
			n, err := strconv.ParseUint(number, 0, 32)
			if err != nil {
				return val{}, err
			}
			v.kind, text = uint32(n), after
		}
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			return val{}, err
		}
		v.data = b
	default:
		return val{}, fmt.Errorf("no type %q", kind)
	}
	return v, nil
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
