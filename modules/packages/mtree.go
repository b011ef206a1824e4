package packages

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// readMtree reads what a package of pacman says of its files, by their paths:
// a gzipped mtree(5).
func readMtree(f *hostfs.FS, name string) map[string]packed {
	packedText, ok := f.Get(name)
	if !ok {
		return nil
	}
	text, err := gunzip(packedText)
	if err != nil {
		f.Fail(name, err)
		return nil
	}
	files, bad := parseMtree(string(text))
	if bad > 0 {
		fail(f, name, bad)
	}
	return files
}

func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, hostfs.ErrMalformed
	}
	text, err := io.ReadAll(io.LimitReader(r, maxDatabase+1))
	switch {
	case err != nil:
		return nil, hostfs.ErrMalformed
	case len(text) > maxDatabase:
		return nil, hostfs.ErrTooLarge
	}
	return text, nil
}

// parseMtree reads lines of a path and words of the form key=value; a line of
// /set has words for all that come after it. It gives the first line that is
// malformed, or 0.
func parseMtree(text string) (files map[string]packed, bad int) {
	files = map[string]packed{}
	defaults := map[string]string{}
	for n := 1; text != ""; n++ {
		var line string
		line, text = cutLine(text)
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		of := defaults
		if words[0] != "/set" {
			of = maps.Clone(defaults)
		}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			of[k] = v
		}
		if words[0] == "/set" {
			continue
		}
		path, named := mtreePath(words[0])
		x, ok := mtreeFile(of)
		if named && ok {
			files[path] = x
		} else if bad == 0 {
			bad = n
		}
	}
	return files, bad
}

// mtreePath makes ./usr/bin/a\040b an absolute path.
func mtreePath(word string) (string, bool) {
	rest, ok := strings.CutPrefix(word, "./")
	if !ok {
		return "", false
	}
	var b strings.Builder
	b.WriteByte('/')
	for rest != "" {
		before, after, escaped := strings.Cut(rest, `\`)
		b.WriteString(before)
		rest = after
		if !escaped {
			break
		}
		if len(rest) < 3 {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:3], 8, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		rest = rest[3:]
	}
	return b.String(), true
}

// mtreeFile reads the words about one file.
func mtreeFile(words map[string]string) (packed, bool) {
	x := packed{size: -1}
	uid, err1 := strconv.ParseUint(words["uid"], 10, 32)
	gid, err2 := strconv.ParseUint(words["gid"], 10, 32)
	mode, err3 := strconv.ParseUint(words["mode"], 8, 12)
	if x.owned = err1 == nil && err2 == nil && err3 == nil; x.owned {
		x.uid, x.gid, x.mode = int64(uid), int64(gid), uint32(mode)
	}
	if words["type"] != "file" {
		return x, x.owned
	}
	size, err := strconv.ParseInt(words["size"], 10, 64)
	if err == nil {
		x.size = size
	}
	for _, a := range []string{"sha256", "md5"} {
		if x.says(a, words[a+"digest"]) {
			break
		}
	}
	return x, x.owned && err == nil && size >= 0
}
