package browser

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/cli"
)

// hostile are names of files that would do harm in a page that let them.
var hostile = []string{"<img src=x onerror=window.harmed=1>", "\u202egnp.exe", "a&lt;b", "'\"><svg onload=window.harmed=1>"}

// machine makes a tree that stands for this machine.
func machine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for i, name := range append([]string{"hosts", "motd", "passwd"}, hostile...) {
		name = filepath.Join(root, "etc", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Repeat("root\n", i)), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1+i, 12, 0, 0, 0, time.UTC)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A page is a quaestor that serves one.
type page struct {
	link string
	stop func()
}

// surroundings are what a command runs in.
func surroundings(home string, out io.Writer) cli.IO {
	return cli.IO{In: strings.NewReader(""), Out: out, Err: out, Getenv: func(name string) string {
		if name == "QUAESTOR_HOME" {
			return home
		}
		return ""
	}}
}

// serve runs a command line that writes a link.
func serve(t *testing.T, args ...string) page {
	t.Helper()
	return serveFrom(t, t.TempDir(), args...)
}

// serveFrom does so for an investigator whose things are in home.
func serveFrom(t *testing.T, home string, args ...string) page {
	t.Helper()
	if program() == "" {
		t.Skip("LEFT OUT: there is no Chromium here; .ci/setup-chromium installs it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		c := cli.Main(ctx, args, surroundings(home, w))
		_ = w.Close()
		code <- c
	}()
	p := page{stop: sync.OnceFunc(func() {
		cancel()
		_, _ = io.Copy(io.Discard, r)
		if c := <-code; c != cli.ExitDone {
			t.Errorf("it ended with %d", c)
		}
	})}
	t.Cleanup(p.stop)
	link := regexp.MustCompile(`http://\S+/enter\?key=\S+\n`)
	var said []byte
	buf := make([]byte, 512)
	for {
		n, err := r.Read(buf)
		said = append(said, buf[:n]...)
		if m := link.Find(said); m != nil {
			p.link = strings.TrimSpace(string(m))
			return p
		}
		if err != nil {
			t.Fatalf("%v: it said %q", err, said)
		}
	}
}

// clean checks that the page complained of nothing, and spoke to nobody else.
func (b *browser) clean(p page) {
	b.t.Helper()
	home := p.link[:strings.Index(p.link, "/enter")]
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("the console says: %s", p)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, home+"/") && !strings.HasPrefix(url, "about:") && !strings.HasPrefix(url, "blob:"+home+"/") {
			b.t.Errorf("it asked for %s", url)
		}
	}
}
