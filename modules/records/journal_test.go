package records

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/ulikunitz/xz"
)

// recorded gives a journal that a systemd-journald 252 wrote: compact, with
// keyed hashes, or plain. Each has a long field that is compressed by zstd.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".journal.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJournal(t *testing.T) {
	for _, name := range []string{"compact", "keyed", "plain"} {
		root := host(t, map[string]string{"var/log/journal/1/system.journal": string(recorded(t, name))})
		moduletest.Run(t, logModule(), root)
		got, rec := moduletest.Rows(t, logModule(), root, strings.Fields("host program severity message path format"), nil)
		if len(got) != 26 || len(rec.Skips()) != 0 {
			t.Fatalf("%s: %d entries, %+v", name, len(got), rec.Skips())
		}
		const path = " | /var/log/journal/1/system.journal | journal"
		for _, want := range []string{
			"web1 | sshd | info | Accepted publickey for ann from 192.0.2.7 port 50022 ssh2" + path,
			`web1 | app | error | two\nlines` + path,
			"web1 | app | warning | " + strings.Repeat("Long ", 1000) + "end of a long one" + path,
			"web1 | loop | info | event 19" + path,
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%s: no %.80q", name, want)
			}
		}
	}
}

func TestAgainstJournalctl(t *testing.T) {
	journalctl, err := exec.LookPath("journalctl")
	if err != nil {
		t.Skip("LEFT OUT: journalctl is not installed")
	}
	for _, name := range []string{"compact", "keyed", "plain"} {
		root := host(t, map[string]string{"x.journal": string(recorded(t, name))})
		out, err := exec.CommandContext(t.Context(), journalctl, "--file", filepath.Join(root, "x.journal"), "--all", "-o", "json").Output()
		if err != nil {
			t.Skipf("LEFT OUT: journalctl cannot read it: %v", err)
		}
		var want []string
		for line := range bytes.Lines(out) {
			var e map[string]string
			if json.Unmarshal(line, &e) != nil {
				t.Skipf("LEFT OUT: journalctl writes it in another form: %.100s", line)
			}
			message, _ := json.Marshal(e["MESSAGE"])
			text, _ := strconv.Unquote(string(message))
			want = append(want, strings.Join([]string{e["_HOSTNAME"], e["SYSLOG_IDENTIFIER"], e["_PID"], strings.ReplaceAll(text, "\n", `\n`)}, " | "))
		}
		if got, _ := moduletest.Rows(t, logModule(), root, []string{"host", "program", "process", "message"}, []string{"/x.journal"}); !slices.Equal(got, want) {
			t.Errorf("%s: %q\nnot %q", name, got, want)
		}
	}
}

// Every way to cut a journal gives the entries that are whole, or says what
// is wrong.
func TestCutJournal(t *testing.T) {
	whole := recorded(t, "compact")
	for _, n := range []int{8, 100, journalHead, journalHead + 10, 100_000, len(whole) - 1} {
		root := host(t, map[string]string{"x.journal": string(whole[:n])})
		got, rec := moduletest.Rows(t, logModule(), root, []string{"message"}, []string{"/x.journal"})
		if len(got) != 26 && len(rec.Skips()) == 0 {
			t.Errorf("%d bytes: %d entries, and nothing is said", n, len(got))
		}
	}
}

func TestLZ4(t *testing.T) {
	size := func(n byte, b ...byte) []byte { return append([]byte{n, 0, 0, 0, 0, 0, 0, 0}, b...) }
	for _, c := range []struct {
		in   []byte
		want string
	}{
		{size(3, 0x30, 'a', 'b', 'c'), "abc"},
		{size(12, 0x35, 'a', 'b', 'c', 3, 0, 0x00), "abcabcabcabc"},
		{size(20, 0xf0, 5, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'), strings.Repeat("a", 20)},
		{size(25, 0x1f, 'x', 1, 0, 5, 0x00), strings.Repeat("x", 25)},
		{size(4, 0x30, 'a', 'b', 'c'), ""},       // too short
		{size(2, 0x30, 'a', 'b', 'c'), ""},       // too long
		{size(9, 0x30, 'a', 'b', 'c', 4, 0), ""}, // from before the beginning
		{size(9, 0x30, 'a', 'b', 'c', 0, 0), ""},
		{size(9, 0xf0, 255, 255), ""},
		{[]byte{1}, ""},
	} {
		got, err := unpackLZ4(c.in)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v", c.in, got, err)
		}
	}
	lz4, err := exec.LookPath("lz4")
	if err != nil {
		t.Skip("LEFT OUT: lz4 is not installed")
	}
	text := strings.Repeat("some text that comes again and again, ", 300)
	cmd := exec.CommandContext(t.Context(), lz4, "-c", "--no-frame-crc", "-BD")
	cmd.Stdin = strings.NewReader(text)
	frame, err := cmd.Output()
	if err != nil || len(frame) < 15 {
		t.Fatal(err)
	}
	// The frame holds one block behind its head, which may say its size, and
	// four bytes of the block's length.
	block := frame[7:]
	if frame[4]&8 != 0 {
		block = frame[15:]
	}
	length := binary.LittleEndian.Uint32(block)
	if got, err := unpackLZ4(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), block[4:4+length]...)); string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestXZ(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte("MESSAGE=packed"))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	if got, err := j.plain(b.Bytes(), compressedXZ); string(got) != "MESSAGE=packed" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, flags := range []byte{compressedXZ, compressedZSTD, compressedLZ4, compressedXZ | compressedLZ4} {
		if _, err := j.plain([]byte("nonsense"), flags); !errors.Is(err, hostfs.ErrMalformed) {
			t.Errorf("flags %d: %v", flags, err)
		}
	}
	j.close()
}

func FuzzLZ4(f *testing.F) {
	f.Add([]byte{12, 0, 0, 0, 0, 0, 0, 0, 0x35, 'a', 'b', 'c', 3, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := unpackLZ4(b); err == nil && uint64(len(out)) != binary.LittleEndian.Uint64(b) {
			t.Errorf("%d bytes", len(out))
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add(uint8(0), uint32(12), []byte{0xff})
	f.Add(uint8(1), uint32(176), []byte{8, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(2), uint32(70_000), []byte{6, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	var files [][]byte
	for _, name := range []string{"compact", "keyed", "plain"} {
		files = append(files, recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint32, patch []byte) {
		b := bytes.Clone(files[int(which)%len(files)])
		copy(b[int(at)%len(b):], patch)
		j, err := openJournal(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		defer j.close()
		n := 0
		err = j.entries(func(int64, *event) error {
			if n++; n > 1000 {
				return errors.New("more entries than a file of that size has")
			}
			return nil
		}, func(int64, error) {})
		if err != nil && !errors.Is(err, hostfs.ErrMalformed) && !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}
