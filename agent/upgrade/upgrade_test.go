package upgrade

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// TestMain is the programs that are tried, too: how says which.
func TestMain(m *testing.M) {
	if how := os.Getenv("UPGRADE_TEST_HOW"); how != "" {
		os.Exit(play(how, os.Args[len(os.Args)-1]))
	}
	os.Exit(m.Run())
}

// play is a program that is called with a word.
func play(how, word string) int {
	switch {
	case word == "selfcheck":
		return check(how)
	case how == "dies":
		fmt.Fprintln(os.Stderr, "one\ntwo")
		return 7
	case how == "hangs":
		time.Sleep(time.Hour)
	case how == "mumbles":
		fmt.Print("not ", WellLine)
		_, _ = io.Copy(io.Discard, os.Stdin)
	case how == "served once" && word == "serve":
		return Again
	case how == "crashes" && word == "serve":
		return 9
	default:
		fmt.Print(WellLine)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	return 0
}

func check(how string) int {
	c := fmt.Sprintf(`{"release":"1.1.0","os":%q,"arch":%q}`, runtime.GOOS, runtime.GOARCH)
	switch how {
	case "another":
		c = strings.Replace(c, "1.1.0", "1.0.0", 1)
	case "elsewhere":
		c = strings.Replace(c, runtime.GOOS, "plan9", 1)
	case "problem":
		c = strings.Replace(c, "}", `,"problem":"no keys"}`, 1)
	case "junk":
		c = "hello"
	case "silent":
		c = ""
	case "fails":
		fmt.Fprintln(os.Stderr, "panic: x")
		return 2
	}
	fmt.Print(c)
	return 0
}

// pieces cuts bytes as a relay does.
func pieces(b []byte) Pieces {
	return func(_ context.Context, i int64) ([]byte, error) {
		return b[i*PieceSize : min(int64(len(b)), (i+1)*PieceSize)], nil
	}
}

func programOf(release string, b []byte) Program {
	return Program{Release: release, Stage: 1, Manifest: translog.Sum{1}, Sum: sha256.Sum256(b), Size: int64(len(b)), Health: 10 * time.Second}
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFetch: whatever a relay gives, a program is what was signed, or none.
func TestFetch(t *testing.T) {
	whole := slices.Concat(bytes.Repeat([]byte("a"), PieceSize), bytes.Repeat([]byte("b"), PieceSize), bytes.Repeat([]byte("c"), PieceSize), []byte("the rest"))
	p := programOf("1.1.0", whole)
	changed := bytes.Clone(whole)
	changed[2*PieceSize+5] ^= 1
	gone := errors.New("the line broke")
	for name, c := range map[string]struct {
		next Pieces
		want error
	}{
		"whole":   {pieces(whole), nil},
		"changed": {pieces(changed), ErrHash},
		"another program of the size": {func(ctx context.Context, i int64) ([]byte, error) {
			b, _ := pieces(whole)(ctx, i)
			return make([]byte, len(b)), nil
		}, ErrHash},
		"pieces in another order": {func(ctx context.Context, i int64) ([]byte, error) {
			if i < 2 {
				i = 1 - i
			}
			return pieces(whole)(ctx, i)
		}, ErrHash},
		"truncated": {func(ctx context.Context, i int64) ([]byte, error) {
			b, _ := pieces(whole)(ctx, i)
			return b[:len(b)-1], nil
		}, ErrShort},
		"longer": {func(ctx context.Context, i int64) ([]byte, error) {
			b, _ := pieces(whole)(ctx, i)
			return append(bytes.Clone(b), 0), nil
		}, ErrShort},
		"empty":  {func(context.Context, int64) ([]byte, error) { return nil, nil }, ErrShort},
		"broken": {func(context.Context, int64) ([]byte, error) { return nil, gone }, gone},
	} {
		s := open(t, t.TempDir())
		err := s.Fetch(t.Context(), p, c.next)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if s.holds(p) != (c.want == nil) {
			t.Errorf("%s: held: %t", name, s.holds(p))
		}
		if _, err := os.Stat(s.Path("1.1.0")); (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An attempt that broke is gone on with, whatever was written of its last piece;
// what is not ours is written over.
func TestFetchResumes(t *testing.T) {
	whole := bytes.Repeat([]byte{7}, 4*PieceSize+100)
	p := programOf("1.1.0", whole)
	for name, c := range map[string]struct {
		left []byte
		from int64
	}{
		"nothing":       {nil, 0},
		"half a piece":  {whole[:PieceSize/2], 0},
		"two pieces":    {whole[:2*PieceSize], 2},
		"and some":      {whole[:2*PieceSize+77], 2},
		"all":           {whole, 5},
		"too much":      {append(bytes.Clone(whole), 1), 0},
		"all but a bit": {whole[:len(whole)-1], 4},
	} {
		s := open(t, t.TempDir())
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path(p.Release)+partExt, c.left, 0o600); err != nil {
			t.Fatal(err)
		}
		first := int64(5)
		err := s.Fetch(t.Context(), p, func(ctx context.Context, i int64) ([]byte, error) {
			first = min(first, i)
			return pieces(whole)(ctx, i)
		})
		if err != nil || first != c.from || !s.holds(p) {
			t.Errorf("%s: %v, from piece %d", name, err, first)
		}
		info, err := os.Stat(s.Path(p.Release))
		if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o700 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		if info, err := os.Stat(s.dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What was damaged on the disk is not taken for what was signed, and begun
	// anew.
	s := open(t, t.TempDir())
	if err := errors.Join(os.MkdirAll(s.dir, 0o700), os.WriteFile(s.Path(p.Release)+partExt, make([]byte, 3*PieceSize), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Fetch(t.Context(), p, pieces(whole)); !errors.Is(err, ErrHash) {
		t.Errorf("damaged: %v", err)
	}
	if err := s.Fetch(t.Context(), p, pieces(whole)); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A program that is larger than the disk is not begun.
func TestFetchNoRoom(t *testing.T) {
	s := open(t, t.TempDir())
	p := programOf("1.1.0", []byte("x"))
	p.Size = 1 << 60
	err := s.Fetch(t.Context(), p, func(context.Context, int64) ([]byte, error) {
		t.Error("it is begun")
		return nil, io.EOF
	})
	if !errors.Is(err, ErrRoom) {
		t.Error(err)
	}
}

// A worker is a starter in a folder with this test as the programs.
type worker struct {
	*Starter
	t      *testing.T
	became []string
	why    error // that become gives
}

func newWorker(t *testing.T, dir, release string) *worker {
	w := &worker{t: t, why: ErrEnded}
	s, err := NewStarter(Starter{Dir: dir, Release: release, Log: slog.New(slog.DiscardHandler), Err: io.Discard,
		become: func(_ context.Context, path string) error {
			w.became = append(w.became, filepath.Base(path))
			return w.why
		}})
	if err != nil {
		t.Fatal(err)
	}
	w.Starter = s
	return w
}

// put puts this test into the folder as a program.
func put(t *testing.T, s *Store, release string) Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	p := programOf(release, b)
	p.Manifest = sha256.Sum256([]byte(release))
	if err := s.Fetch(t.Context(), p, pieces(b)); err != nil {
		t.Fatal(err)
	}
	return p
}

func how(t *testing.T, what string) { t.Setenv("UPGRADE_TEST_HOW", what) }

func base(release string) string { return filepath.Base((&Store{}).Path(release)) }

// TestCheck: a program that is not what was signed, or not for this machine,
// does not come to be tried.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	p := put(t, s, "1.1.0")
	for name, want := range map[string]string{
		"good": "", "another": `it says that it is "1.0.0"`, "elsewhere": "it is for plan9", "problem": "no keys",
		"junk": "what is no checkup", "silent": "what is no checkup", "fails": "exit status 2: panic: x",
	} {
		how(t, name)
		err := s.Check(t.Context(), p, dir)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := os.WriteFile(s.Path(p.Release), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), p, dir); !errors.Is(err, ErrHash) {
		t.Errorf("a program that was changed is run: %v", err)
	}
}

// TestTry: what is well becomes active; what is not is given up, remembered,
// and told.
func TestTry(t *testing.T) {
	for name, want := range map[string]string{
		"good": "", "dies": "it ended before a relay had heard it: exit status 7: two",
		"hangs": "no relay heard it within 1s", "mumbles": "no relay heard it within 1s",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			how(t, name)
			w := newWorker(t, dir, "1.0.0")
			p := put(t, w.store, "1.1.0")
			if want != "" {
				p.Health = time.Second
			}
			if err := w.store.Stage(p); err != nil {
				t.Fatal(err)
			}
			err := w.Try(t.Context())
			st := open(t, dir).State()
			if want == "" {
				if !errors.Is(err, ErrEnded) || st.Active == nil || *st.Active != p || st.Trial != nil || st.Highest != "1.1.0" || st.Report.State != Installed || st.Starter == "" {
					t.Errorf("%v %+v", err, st)
				}
				if strings.Join(w.became, " ") != base("1.1.0") {
					t.Errorf("became %v", w.became)
				}
				return
			}
			if err != nil || st.Active != nil || st.Trial != nil || st.Highest != "" || st.Report.State != RolledBack || !strings.Contains(st.Report.Reason, want) || len(w.became) > 0 {
				t.Errorf("%v %+v, want %q", err, st, want)
			}
			if f, ok := w.store.Tried(p.Manifest); !ok || f.Reason != st.Report.Reason {
				t.Errorf("it is not remembered: %+v", f)
			}
			if _, err := os.Stat(w.store.Path("1.1.0")); err == nil {
				t.Error("its program is still there")
			}
		})
	}
}

// A trial whose service is stopped is tried at the next start; one over which
// the machine goes down is tried once more, and then given up.
func TestTryInterrupted(t *testing.T) {
	dir := t.TempDir()
	how(t, "mumbles")
	w := newWorker(t, dir, "1.0.0")
	p := put(t, w.store, "1.1.0")
	p.Health = time.Minute
	if err := w.store.Stage(p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := w.Try(ctx); err != nil {
		t.Error(err)
	}
	if st := open(t, dir).State(); st.Trial == nil || st.Starts != 0 {
		t.Errorf("%+v", st)
	}
	for i := range maxTrials {
		if err := w.store.change(func(st *State) { st.Starts++ }); err != nil {
			t.Fatal(err)
		}
		if st := open(t, dir).State(); st.Trial == nil {
			t.Errorf("given up after %d", i)
		}
	}
	if err := newWorker(t, dir, "1.0.0").Begin(t.Context()); err != nil {
		t.Error(err)
	}
	if st := open(t, dir).State(); st.Trial != nil || st.Report.State != RolledBack || !strings.Contains(st.Report.Reason, "went down with it") {
		t.Errorf("%+v", st)
	}
}

// A state that cannot be read takes nothing from the installed program, and is
// not lost.
func TestStateIsBad(t *testing.T) {
	for _, text := range []string{"", "{", `{"format":2}`, `{"format":1,"active":{"release":"../x","size":1}}`, strings.Repeat(" ", maxState+1)} {
		dir := t.TempDir()
		name := filepath.Join(dir, folder, stateName)
		if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, time.Now); err == nil {
			t.Errorf("%.20q is a state", text)
		}
		w := newWorker(t, dir, "1.0.0")
		if err := w.Begin(t.Context()); err != nil || len(w.became) > 0 {
			t.Errorf("%.20q: %v", text, err)
		}
		if b, err := os.ReadFile(name); err != nil || string(b) != text {
			t.Errorf("%.20q: who reads changes it: %v", text, err)
		}
		if err := w.store.Report(Report{Release: "1.1.0", State: Failed}); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, folder, badName)); err != nil || string(b) != text {
			t.Errorf("%.20q is lost: %v", text, err)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1,"active":{"release":"1.1.0","size":1,"health":1},"failed":[{"release":"1.0.0"}],"report":{"state":"installed"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if st, err := parseState(b); err == nil && st.Active != nil && strings.ContainsAny(st.Active.Release, "/\\") {
			t.Errorf("%q leads out of the folder", b)
		}
		if c, err := parseCheckup(b); err == nil {
			_ = cut(c.Problem)
		}
	})
}
