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

func TestFleet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: the browser of the tests is Debian's")
	}
	b := open(t)
	link := page(t, fleet(t))
	b.goTo(link)
	b.wait(`document.querySelector("#relay").textContent === "5 of 5 agents online"`)
	b.picture("begin")
	b.write("FROM fleet FIND file /etc/** RETURN path, size, owner, mtime ")
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".state .badge:not(.running)")`)
	b.wait(`document.querySelector(".legend strong")?.textContent === "5 of 5 agents answered"`)
	b.picture("answer")

	// Stacked, rarest first; a bar is a filter.
	b.eval(`document.querySelector("[data-look=stack]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelectorAll(".stack li").length > 1`)
	b.eval(`(() => { const s = document.querySelector(".body select"); s.value = "path"; s.dispatchEvent(new Event("change")); })()`)
	b.wait(`(() => { const n = [...document.querySelectorAll(".stack .count")].map((e) => parseInt(e.textContent)); return n.every((x, i) => !i || n[i - 1] <= x) && n[0] < n.at(-1); })()`)
	b.picture("stack")
	rare := b.eval(`document.querySelector(".stack .name").textContent`)
	b.eval(`document.querySelector(".stack button").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelectorAll(".grid tbody tr").length === 1 && document.querySelector(".chip").textContent.startsWith("path = ")`)
	if got := b.eval(`document.querySelector(".grid tbody td:nth-child(2)").textContent`); got != rare {
		t.Errorf("the row is of %v, not of %v", got, rare)
	}
	b.eval(`document.querySelector(".chip").click()`)

	// Filtered and sorted.
	b.eval(`document.querySelector(".answer input[type=search]").focus()`)
	b.write("host:web-1")
	b.wait(`[...document.querySelectorAll(".grid tbody td:first-child")].every((e) => e.textContent === "web-1") && / of /.test(document.querySelector(".answer .tools > .muted").textContent)`)
	b.eval(`document.querySelector("[data-column=path]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("th[aria-sort=ascending]")?.textContent.startsWith("path")`)
	b.wait(`(() => { const p = [...document.querySelectorAll(".grid tbody td:nth-child(2)")].map((e) => e.textContent); return p.length > 1 && p.every((x, i) => !i || p[i - 1] <= x); })()`)

	// A row is opened and left by keyboard.
	b.eval(`document.querySelector(".grid table").focus()`)
	b.press("ArrowDown", 0)
	b.press("ArrowDown", 0)
	b.press("Enter", 0)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog h2").textContent.startsWith("Row 2 of ")`)
	b.picture("row")
	b.press("Escape", 0)
	b.wait(`!document.querySelector("dialog").open`)

	// What is shown can be taken home.
	b.eval(`(() => { window.saved = []; const own = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return own.call(URL, blob); }; })()`)
	b.eval(`document.querySelectorAll("#ask .save button").forEach((e) => e.click())`)
	b.wait(`window.saved.length === 2`)
	if csv, _ := b.eval(`saved.find((s) => s.startsWith("host,"))`).(string); !strings.HasPrefix(csv, "host,agent,path,size,owner,mtime\r\nweb-1,") {
		t.Errorf("the CSV is %q", csv)
	}
	if jsonl, _ := b.eval(`saved.find((s) => s.startsWith("{"))`).(string); !strings.HasPrefix(jsonl, `{"host":"web-1","agent":"`) {
		t.Errorf("the JSONL is %q", jsonl)
	}

	// The time line.
	b.eval(`document.querySelector("[data-look=line]").click()`)
	b.wait(`document.querySelectorAll(".bin span").length > 0 && document.querySelectorAll(".events li").length > 1`)
	b.picture("timeline")

	// A host is opened from a row, and from the map.
	b.eval(`document.querySelector("[data-look=table]").click()`)
	b.eval(`document.querySelector(".grid button.link").click()`)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog h2").textContent === "web-1"`)
	b.press("Escape", 0)
	b.eval(`document.querySelector("nav a[data-view=fleet]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelectorAll(".box.online").length === 5 && document.querySelector("#fleet .tools select").value !== ""`)
	b.picture("fleet")
	b.eval(`document.querySelector("[data-agent]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog .facts").textContent.includes("tags.role")`)
	b.picture("host")
	b.wait(`document.activeElement.textContent === "Ask this host"`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("textarea").value.startsWith("FROM host \"") && document.activeElement === document.querySelector("textarea")`)

	// What was asked is listed, and its answers are there again.
	b.eval(`document.querySelector("nav a[data-view=investigations]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector(".card .badge.done")`)
	b.picture("investigations")
	b.eval(`document.querySelector(".card").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("#investigation .legend strong")?.textContent === "5 of 5 agents answered"`)
	b.wait(`document.querySelectorAll("#investigation .grid tbody tr").length > 5`)
	b.picture("investigation")

	// Dark, if the system says so.
	light := b.eval(`getComputedStyle(document.body).backgroundColor`)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	b.wait(`getComputedStyle(document.body).backgroundColor !== "` + light.(string) + `"`)
	b.picture("dark")
	b.clean(link)
}
