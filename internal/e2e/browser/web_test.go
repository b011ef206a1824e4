// Package browser drives the page of quaestor web in a headless Chromium.
package browser

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/cli"
	"github.com/quaestor-engine/quaestor/internal/demo"
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

// fleet starts the demo's fleet, and gives a home that can ask it.
func fleet(t *testing.T) string {
	t.Helper()
	f, err := demo.Start(t.Context(), filepath.Join(t.TempDir(), "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
	})
	home := t.TempDir()
	key, err := f.Key().Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(home, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "keys", string(f.Key().Fingerprint())+".asc"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, home, "setup", "--relay", f.Addr(), "--pin", f.Pin())
	for start := time.Now(); strings.Count(run(t, home, "fleet", "--format", "jsonl"), `"state":"online"`) < f.Agents(); {
		if time.Since(start) > patience {
			t.Fatal("the agents do not come")
		}
	}
	return home
}

func surroundings(home string, out io.Writer) cli.IO {
	return cli.IO{In: strings.NewReader(""), Out: out, Err: out, Getenv: func(name string) string {
		if name == "QUAESTOR_HOME" {
			return home
		}
		return ""
	}}
}

func run(t *testing.T, home string, args ...string) string {
	t.Helper()
	var out strings.Builder
	if code := cli.Main(t.Context(), args, surroundings(home, &out)); code != cli.ExitDone {
		t.Fatalf("%v: %d %s", args, code, out.String())
	}
	return out.String()
}

// page starts quaestor web and gives its link.
func page(t *testing.T, home string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- cli.Main(ctx, []string{"web", "--root", machine(t)}, surroundings(home, w))
		_ = w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, r)
		if c := <-code; c != cli.ExitDone {
			t.Errorf("it ended with %d", c)
		}
	})
	link := regexp.MustCompile(`http://\S+/enter\?key=\S+`)
	var said []byte
	buf := make([]byte, 512)
	for {
		n, err := r.Read(buf)
		said = append(said, buf[:n]...)
		if m := link.Find(said); m != nil {
			return string(m)
		}
		if err != nil {
			t.Fatalf("%v: it said %q", err, said)
		}
	}
}

// clean checks that the page complained of nothing, and spoke to nobody else.
func (b *browser) clean(link string) {
	b.t.Helper()
	home := link[:strings.Index(link, "/enter")]
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

func TestAsk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: the browser of the tests is Debian's")
	}
	b := open(t)
	link := page(t, t.TempDir())
	b.goTo(link)
	b.wait(`document.activeElement && document.activeElement.tagName === "TEXTAREA"`)
	b.picture("empty")

	// Completion opens while one types, and the keyboard takes from it.
	b.write("FIND fi")
	b.wait(`document.querySelector(".popup li[aria-selected=true] .word")?.textContent === "file"`)
	b.picture("completion")
	b.press("Tab", 0)
	b.wait(`document.querySelector("textarea").value === "FIND file"`)

	// A mistake shows its carets.
	b.write(" /etc/* WHERE mtme > 2020-01-01")
	b.wait(`document.querySelector(".problems .diagnostic")?.textContent.includes("^^^^ did you mean mtime?")`)
	b.wait(`document.querySelector(".shade .wrong")?.textContent === "mtme"`)
	b.press("Escape", 0)
	b.picture("mistake")
	b.press("a", ctrl)
	b.write("FIND file /etc/* RETURN path, size, mode, mtime ")
	b.wait(`document.querySelector(".problems").childElementCount === 0`)
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".state .badge.complete")`)
	b.wait(`document.querySelectorAll(".grid tbody tr").length === 7`)
	b.picture("rows")

	// What hosts say is text.
	if b.eval("window.harmed === undefined && !document.querySelector('.grid img, .grid svg')") != true {
		t.Error("the name of a file became a part of the page")
	}
	b.wait(`[...document.querySelectorAll(".grid .escape")].some((e) => e.textContent === "\\u202e")`)
	b.clean(link)
}
