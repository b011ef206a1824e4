package unpack

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestZipBehind: what unpacks itself is an archive, and what only speaks of
// zips is none.
func TestZipBehind(t *testing.T) {
	z := string(zipOf(t, zip.Deflate, file{"a", "body"}))
	end := z[strings.LastIndex(z, zipEndSig):]
	for what, c := range map[string]struct {
		data string
		zip  bool
	}{
		"a script": {"#!/bin/sh\nexec java -jar \"$0\"\n" + z, true}, "a program of Linux": {"\x7fELF" + strings.Repeat("x", 70_000) + z, true},
		"a program of Windows": {"MZ" + strings.Repeat("\x00", 500) + z, true}, "a text": {"see below\n" + z, false},
		"a program alone": {"\x7fELF" + strings.Repeat("x", 5000), false}, "a program that knows zips": {"\x7fELF" + zipEndSig + strings.Repeat("x", 100), false},
		"an end without a beginning": {"MZ" + strings.Repeat("x", 5000) + end, false}, "a short script": {"#!/bin/sh", false},
		"something behind it": {"#!/bin/sh\n" + z + "x", false}, "an empty zip": {"#!/bin/sh\n" + zipEndSig + strings.Repeat("\x00", 18), false},
	} {
		got := walk([]byte(c.data), NewBudget(), true)
		if got.err != nil || (got.body["a"] == "body") != c.zip || len(got.paths) > 1 {
			t.Errorf("%s: %q, %v, %v", what, got.paths, got.skips, got.err)
		}
	}
	broken := errors.New("the disk is broken")
	if ok, err := Behind(brokenAt{broken}, 1000); ok || !errors.Is(err, broken) {
		t.Errorf("%v, %v", ok, err)
	}
}

// A brokenAt cannot be read.
type brokenAt struct{ err error }

func (b brokenAt) ReadAt([]byte, int64) (int, error) { return 0, b.err }

// TestZstdBehindWhatIsSkipped: pzstd begins with a frame that holds no content.
func TestZstdBehindWhatIsSkipped(t *testing.T) {
	for b := byte(0x50); b <= 0x5f; b++ {
		data := append([]byte{b, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, compress(t, Zstd, sample(70_000))...)
		if got, err := decompress(data, Zstd, NewBudget()); Detect(data) != Zstd || err != nil || !bytes.Equal(got, sample(70_000)) {
			t.Errorf("%x: %s, %d bytes, %v", b, Detect(data), len(got), err)
		}
	}
}
