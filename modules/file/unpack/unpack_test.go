package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// run gives what a system tool makes of its input.
func run(t testing.TB, in []byte, name string, args ...string) []byte {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = bytes.NewReader(in)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return out
}

// sample is text that compresses, and some that does not.
func sample(n int) []byte {
	b := make([]byte, 0, n+32)
	for x := uint32(1); len(b) < n; x = x*1664525 + 1013904223 {
		b = fmt.Appendf(b, "line %d of %x\n", len(b), x>>20)
	}
	return b[:n]
}

// compressors are the system's tools, by format.
var compressors = map[Format][]string{
	Gzip: {"gzip", "-c"}, Zstd: {"zstd", "-c", "-q"}, Xz: {"xz", "-c"}, Bzip2: {"bzip2", "-c"},
}

func compress(t testing.TB, f Format, data []byte, args ...string) []byte {
	t.Helper()
	tool := compressors[f]
	return run(t, data, tool[0], append(slices.Clone(tool[1:]), args...)...)
}

func decompress(data []byte, f Format, b *Budget) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(data), f, b)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestReaderReadsWhatToolsWrite(t *testing.T) {
	extra := map[Format][][]string{
		Gzip: {{"-1"}, {"-9"}}, Zstd: {{"-1"}, {"-19"}, {"--no-check"}}, Bzip2: {{"-1"}},
		Xz: {{"-0"}, {"-9", "--memlimit=1GiB", "-T1", "--lzma2=dict=16MiB"}, {"--check=none"}, {"--check=crc32"}, {"--check=sha256"}, {"-T2", "--block-size=100000"}},
	}
	for f := range compressors {
		for _, n := range []int{0, 1, 511, 70_000, 1_000_000} {
			for _, args := range append(extra[f], nil) {
				data := sample(n)
				packed := compress(t, f, data, args...)
				if got := Detect(packed); got != f {
					t.Errorf("%s %q of %d bytes is taken for %s", f, args, n, got)
				}
				b := NewBudget()
				got, err := decompress(packed, f, b)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s %q of %d bytes: %d bytes, %v", f, args, n, len(got), err)
				}
				if b.memory != 0 {
					t.Errorf("%s: %d bytes of memory are still held", f, b.memory)
				}
				twice, err := decompress(append(slices.Clone(packed), packed...), f, NewBudget())
				if err != nil || !bytes.Equal(twice, append(slices.Clone(data), data...)) {
					t.Errorf("%s %q of %d bytes, twice: %d bytes, %v", f, args, n, len(twice), err)
				}
			}
		}
	}
}

// TestCutAtEveryByte: no file that is cut short is taken for a whole one.
func TestCutAtEveryByte(t *testing.T) {
	for f := range compressors {
		packed := compress(t, f, sample(3000))
		if f == Xz {
			packed = compress(t, f, sample(3000), "--block-size=1000") // cuts between blocks too
		}
		for n := range packed {
			if _, err := decompress(packed[:n], f, NewBudget()); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut at %d of %d: %v", f, n, len(packed), err)
			}
		}
	}
}

// TestSecondGzipCutInItsName: the library alone takes this for a whole file.
func TestSecondGzipCutInItsName(t *testing.T) {
	data := append(compress(t, Gzip, sample(10)), "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name"...)
	if got, err := decompress(data, Gzip, NewBudget()); !errors.Is(err, ErrMalformed) || string(got) != string(sample(10)) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDamageAndGarbage(t *testing.T) {
	for f := range compressors {
		packed := compress(t, f, sample(3000))
		for _, garbage := range []string{"\x01", "GARBAGE", strings.Repeat("x", 100)} {
			if _, err := decompress(append(slices.Clone(packed), garbage...), f, NewBudget()); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s followed by %q: %v", f, garbage, err)
			}
		}
		for i := len(packed) / 3; i < len(packed); i += 7 {
			bad := slices.Clone(packed)
			bad[i] ^= 0x10
			if got, err := decompress(bad, f, NewBudget()); err == nil && !bytes.Equal(got, sample(3000)) {
				t.Errorf("%s with byte %d changed gives other content and no error", f, i)
			}
		}
	}
}

func TestReaderPassesOnErrors(t *testing.T) {
	broken := errors.New("the disk is broken")
	for f := range compressors {
		packed := compress(t, f, sample(100_000))
		r, err := NewReader(io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken)), f, NewBudget())
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if _, err := NewReader(strings.NewReader("x"), Tar, NewBudget()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("tar as a stream: %v", err)
	}
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, 24<<20)
	for f := range compressors {
		packed := compress(t, f, zeros)
		b := NewBudget()
		b.MaxRatio = 500
		checkBound(t, f.String(), packed, f, b, "MaxRatio")
		b = NewBudget()
		b.MaxBytes, b.MaxRatio = 1<<20, 1<<40
		got := checkBound(t, f.String(), packed, f, b, "MaxBytes")
		if len(got) > 1<<20 {
			t.Errorf("%s gave %d bytes of a budget of 1 MiB", f, len(got))
		}
	}
	wide := compress(t, Xz, sample(1000), "-T1", "--lzma2=dict=512MiB")
	if wide[13]&xzHasSize != 0 {
		t.Fatal("xz says the size although it has one thread")
	}
	checkBound(t, "xz with a wide window", wide, Xz, NewBudget(), "MaxMemory")
	long := run(t, zeros, "zstd", "-c", "-q", "--long=30", "--ultra", "-1")
	checkBound(t, "zstd with a wide window", long, Zstd, NewBudget(), "MaxMemory")
}

func checkBound(t *testing.T, what string, packed []byte, f Format, b *Budget, bound string) []byte {
	t.Helper()
	got, err := decompress(packed, f, b)
	if !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), bound) {
		t.Errorf("%s: %v, not %s", what, err, bound)
	}
	if b.memory != 0 {
		t.Errorf("%s: %d bytes of memory are still held", what, b.memory)
	}
	return got
}

// found is what a walk saw.
type found struct {
	paths []string
	body  map[string]string
	skips map[string]error
	err   error
}

func walk(data []byte, b *Budget, read bool) found {
	f := found{body: map[string]string{}, skips: map[string]error{}}
	f.err = Walk(context.Background(), section(data), b, func(m *Member) error {
		f.paths = append(f.paths, m.Path)
		if !read {
			return nil
		}
		r, err := m.Open()
		if err != nil {
			return nil
		}
		body, _ := io.ReadAll(r)
		f.body[m.Path] = string(body)
		return nil
	}, func(path string, err error) { f.skips[path] = err })
	return f
}

type file struct{ name, body string }

func zipOf(t testing.TB, method uint16, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		e, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method, NonUTF8: true, Modified: time.Unix(1_700_000_000, 0)})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(e, f.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Size: int64(len(f.body)), Mode: 0o640, Format: tar.FormatGNU}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestWalkNested goes through every way in which one archive can be in another.
func TestWalkNested(t *testing.T) {
	inner := []file{{"a.txt", string(sample(900))}, {"org/X.class", "class"}}
	wrap := map[string]func(files ...file) []byte{
		"stored":   func(f ...file) []byte { return zipOf(t, zip.Store, f...) },
		"deflated": func(f ...file) []byte { return zipOf(t, zip.Deflate, f...) },
		"tar":      func(f ...file) []byte { return tarOf(t, f...) },
	}
	for c := range compressors {
		wrap["tar."+c.String()] = func(f ...file) []byte { return compress(t, c, tarOf(t, f...)) }
	}
	for outer, makeOuter := range wrap {
		for in, makeIn := range wrap {
			for _, read := range []bool{true, false} {
				data := makeOuter(file{"before", "b"}, file{"lib/a.jar", string(makeIn(inner...))}, file{"after", string(sample(600))})
				b := NewBudget()
				got := walk(data, b, read)
				want := []string{"before", "lib/a.jar", "lib/a.jar!/a.txt", "lib/a.jar!/org/X.class", "after"}
				if got.err != nil || len(got.skips) > 0 || !slices.Equal(got.paths, want) {
					t.Errorf("%s in %s (read: %v): %q, %v, %v", in, outer, read, got.paths, got.skips, got.err)
				}
				if read && (got.body["lib/a.jar!/a.txt"] != inner[0].body || got.body["after"] != string(sample(600))) {
					t.Errorf("%s in %s: other content", in, outer)
				}
				if b.memory != 0 {
					t.Errorf("%s in %s: %d bytes of memory are still held", in, outer, b.memory)
				}
			}
		}
	}
}

func TestWalkReadsWhatToolsWrite(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755)
	os.WriteFile(filepath.Join(dir, "d", "e", "big"), sample(300_000), 0o600)
	os.WriteFile(filepath.Join(dir, "d", "small"), []byte("x"), 0o755)
	os.WriteFile(filepath.Join(dir, "d", "empty"), nil, 0o644)
	os.Symlink("small", filepath.Join(dir, "d", "link"))
	for name, script := range map[string]string{
		"zip": "zip -qry a.zip d && cat a.zip", "zip -0": "zip -qry0 b.zip d && cat b.zip", "tar": "tar cf - d", "gnu": "tar --format=gnu -cf - d", "v7": "tar --format=v7 -cf - d",
		"pax": "tar --format=pax -cf - d", "gz": "tar czf - d", "xz": "tar cJf - d", "bz2": "tar cjf - d", "zst": "tar c d | zstd -q",
	} {
		data := run(t, nil, "sh", "-c", "cd "+dir+" && "+script)
		got := walk(data, NewBudget(), true)
		if got.err != nil || len(got.skips) > 0 || got.body["d/e/big"] != string(sample(300_000)) || got.body["d/small"] != "x" || !slices.Contains(got.paths, "d/empty") {
			t.Errorf("%s: %q, %v, %v", name, got.paths, got.skips, got.err)
		}
		if !slices.Contains(got.paths, "d/link") || !slices.Contains(got.paths, "d/") {
			t.Errorf("%s: %q", name, got.paths)
		}
	}
}

// TestNamesAreEvidence: no name is cleaned.
func TestNamesAreEvidence(t *testing.T) {
	names := []file{{"../../etc/passwd", "1"}, {"/abs", "2"}, {`a\b`, "3"}, {"\xff\xfe", "4"}, {"a//./b", "5"}, {"x\ny", "6"}}
	for what, data := range map[string][]byte{"zip": zipOf(t, zip.Deflate, names...), "tar": tarOf(t, names...)} {
		got := walk(data, NewBudget(), true)
		for _, n := range names {
			if got.body[n.name] != n.body {
				t.Errorf("%s: %q is not among %q (%v)", what, n.name, got.paths, got.err)
			}
		}
	}
}

func TestSkips(t *testing.T) {
	data := zipOf(t, zip.Store, file{"one", string(sample(100))}, file{"two", string(sample(100))})
	at := bytes.Index(data, sample(100))
	data[at+5] ^= 1
	got := walk(data, NewBudget(), true)
	if got.err != nil || !errors.Is(got.skips["one"], ErrMalformed) || got.skips["two"] != nil || len(got.paths) != 2 {
		t.Errorf("a bad checksum: %v, %v", got.skips, got.err)
	}
	for _, tt := range []struct {
		what  string
		at    int // in the entry of the directory
		value byte
		want  error
	}{{"encrypted", 8, 1, ErrEncrypted}, {"unknown method", 10, 99, ErrUnsupported}, {"place of the entry", 44, 9, ErrMalformed}} {
		data := zipOf(t, zip.Store, file{"one", string(sample(100))}, file{"two", string(sample(100))})
		data[bytes.Index(data, []byte(zipEntrySig))+tt.at] = tt.value
		got := walk(data, NewBudget(), false)
		if got.err != nil || !errors.Is(got.skips["one"], tt.want) || len(got.skips) != 1 || len(got.paths) != 2 {
			t.Errorf("%s: %v, %v", tt.what, got.skips, got.err)
		}
	}
}

func TestZipInFrontOfWhichSomethingStands(t *testing.T) {
	data := append(bytes.Repeat([]byte("PK\x03\x04"), 50), zipOf(t, zip.Deflate, file{"a", "body"})...)
	if got := walk(data, NewBudget(), true); got.err != nil || got.body["a"] != "body" {
		t.Errorf("%q, %v, %v", got.paths, got.skips, got.err)
	}
}

// TestArchivesCutAtEveryByte: the walk ends, and what it gives is from the file.
func TestArchivesCutAtEveryByte(t *testing.T) {
	jar := string(zipOf(t, zip.Deflate, file{"x", string(sample(200))}))
	for what, data := range map[string][]byte{
		"zip": zipOf(t, zip.Deflate, file{"a.jar", jar}), "tar": tarOf(t, file{"a.jar", jar}),
		"tar.gz": compress(t, Gzip, tarOf(t, file{"a.jar", jar})),
	} {
		for n := range data {
			got := walk(data[:n], NewBudget(), true)
			whole := got.err == nil && len(got.skips) == 0
			// A head too short to be recognised is no archive; the zeros after
			// the content of a tar may be missing.
			if whole && Detect(data[:n]) != None && !(what == "tar" && n >= headSize+len(jar)) {
				t.Errorf("%s cut at %d of %d is taken for whole: %q", what, n, len(data), got.paths)
			}
		}
	}
}

func TestWalkBounds(t *testing.T) {
	nest := zipOf(t, zip.Deflate, file{"f", string(sample(100))})
	for range 8 {
		nest = zipOf(t, zip.Deflate, file{"z", string(nest)})
	}
	got := walk(nest, NewBudget(), false)
	if err := got.skips["z!/z!/z!/z!/z"]; !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), "MaxDepth") || got.err != nil {
		t.Errorf("depth: %v, %v", got.skips, got.err)
	}
	many := make([]file, 50)
	for i := range many {
		many[i].name = fmt.Sprint(i)
	}
	b := NewBudget()
	b.MaxMembers = 20
	if got := walk(zipOf(t, zip.Store, many...), b, false); !errors.Is(got.err, ErrBudget) || len(got.paths) != 20 {
		t.Errorf("members: %d, %v", len(got.paths), got.err)
	}
	// As in 42.zip: sixteen of sixteen of zeros.
	bomb := string(make([]byte, 4<<20))
	for range 4 {
		var files []file
		for i := range 16 {
			files = append(files, file{fmt.Sprint(i), bomb})
		}
		bomb = string(zipOf(t, zip.Deflate, files...))
	}
	b = NewBudget()
	b.MaxBytes = 64 << 20
	if got := walk([]byte(bomb), b, true); !errors.Is(got.err, ErrBudget) {
		t.Errorf("bomb: %d members, %v", len(got.paths), got.err)
	}
	b = NewBudget()
	b.MaxBuffer = 1000
	jar := string(zipOf(t, zip.Store, file{"x", string(sample(2000))}))
	data := compress(t, Gzip, tarOf(t, file{"a.jar", jar}, file{"b", "b"}))
	if got := walk(data, b, true); got.err != nil || !errors.Is(got.skips["a.jar"], ErrBudget) || got.body["a.jar"] != jar || got.body["b"] != "b" {
		t.Errorf("buffer: %v, %v", got.skips, got.err)
	}
}

// TestQuine: a gzip of a gzip of … ends.
func TestQuine(t *testing.T) {
	data := tarOf(t, file{"a", "b"})
	for range 20 {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		w.Write(data)
		w.Close()
		data = buf.Bytes()
	}
	if got := walk(data, NewBudget(), true); !errors.Is(got.err, ErrBudget) {
		t.Errorf("%q, %v", got.paths, got.err)
	}
}

func TestVisitAndContextEndTheWalk(t *testing.T) {
	data := tarOf(t, file{"a.zip", string(zipOf(t, zip.Deflate, file{"x", "y"}))}, file{"b", "c"})
	stop := errors.New("enough")
	for _, at := range []string{"a.zip", "a.zip!/x"} {
		n := 0
		err := Walk(t.Context(), section(data), NewBudget(), func(m *Member) error {
			n++
			if m.Path == at {
				return stop
			}
			return nil
		}, func(string, error) { t.Error("skipped") })
		if err != stop || n > 2 {
			t.Errorf("at %s: %v after %d", at, err, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Walk(ctx, section(data), NewBudget(), func(*Member) error {
		cancel()
		return nil
	}, func(string, error) { t.Error("skipped") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSparse: holes cost as much as what is stored.
func TestSparse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holes")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<32); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"gnu", "pax"} {
		data := run(t, nil, "tar", "--format="+format, "-cSf", "-", "-C", filepath.Dir(path), "holes")
		b := NewBudget()
		b.MaxBytes = 1 << 20
		got := Walk(t.Context(), section(data), b, func(m *Member) error {
			r, err := m.Open()
			if err == nil {
				io.Copy(io.Discard, r)
			}
			return nil
		}, func(string, error) {})
		if !errors.Is(got, ErrBudget) {
			t.Errorf("%s: %v", format, got)
		}
	}
}

// TestZipAgreesWithLibrary compares modes, times and sizes with archive/zip.
func TestZipAgreesWithLibrary(t *testing.T) {
	data := zipOf(t, zip.Deflate, file{"a", string(sample(5000))}, file{"dir/", ""}, file{"dir/b", "x"})
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	err = Walk(t.Context(), section(data), NewBudget(), func(m *Member) error {
		z := r.File[i]
		i++
		if m.Path != z.Name || m.Size != int64(z.UncompressedSize64) || m.Mode != z.Mode() || !m.ModTime.Equal(z.Modified) || m.Type&^fs.ModeType != 0 {
			t.Errorf("%+v is not %+v", m, z.FileHeader)
		}
		return nil
	}, func(path string, err error) { t.Errorf("%s: %v", path, err) })
	if err != nil || i != len(r.File) {
		t.Errorf("%d of %d members, %v", i, len(r.File), err)
	}
}

func section(data []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))
}
