package pretend

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// A packer makes archives of the sections that it has.
type packer map[string][]byte

// packed makes an archive of the pack sections below from, or compresses the
// one that is called from.
func (s packer) packed(kind, from string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch kind {
	case "zip":
		err = s.zip(&b, from)
	case "tar":
		err = s.tar(&b, from)
	case "tgz":
		var t bytes.Buffer
		if err = s.tar(&t, from); err == nil {
			err = compress("gzip", &b, t.Bytes())
		}
	default:
		data, ok := s[from]
		if !ok {
			return nil, fmt.Errorf("no section pack/%s", from)
		}
		err = compress(kind, &b, data)
	}
	return b.Bytes(), err
}

func compress(kind string, w io.Writer, data []byte) error {
	var z io.WriteCloser
	var err error
	switch kind {
	case "gzip":
		z = gzip.NewWriter(w)
	case "zstd":
		z, err = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	default:
		z, err = xz.NewWriter(w)
	}
	if err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	return z.Close()
}

// members gives what is packed below a folder, in order.
func (s packer) members(from string) ([]string, error) {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(s)) {
		if strings.HasPrefix(n, from+"/") {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no section below pack/%s", from)
	}
	return names, nil
}

func (s packer) zip(w io.Writer, from string) error {
	names, err := s.members(from)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, n := range names {
		f, err := z.CreateHeader(&zip.FileHeader{Name: n[len(from)+1:], Method: zip.Deflate, Modified: treeTime})
		if err != nil {
			return err
		}
		if _, err := f.Write(s[n]); err != nil {
			return err
		}
	}
	return z.Close()
}

func (s packer) tar(w io.Writer, from string) error {
	names, err := s.members(from)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, n := range names {
		h := &tar.Header{Name: n[len(from)+1:], Mode: 0o644, Size: int64(len(s[n])), ModTime: treeTime, Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(s[n]); err != nil {
			return err
		}
	}
	return t.Close()
}
