package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// crowd makes a tree with so many files that not all their rows are drawn.
func crowd(t *testing.T, n int) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "var"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(root, "var", fmt.Sprintf("%04d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Only rows that are seen are drawn, and all can be reached.
func TestManyRows(t *testing.T) {
	p := serve(t, "web", "--root", crowd(t, 3000))
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.write("FIND file /var/* RETURN name ORDER BY name ")
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".badge.complete") && document.querySelector(".grid table").getAttribute("aria-rowcount") === "3001"`)
	if n, _ := b.eval(`document.querySelectorAll(".grid tbody tr").length`).(float64); n < 10 || n > 100 {
		t.Errorf("%v rows are drawn", n)
	}
	b.eval(`document.querySelector(".grid table").focus()`)
	b.press("End", 0)
	b.wait(`document.querySelector(".grid tr[aria-selected=true]")?.textContent === "2999"`)
	b.press("Home", 0)
	b.wait(`document.querySelector(".grid tr[aria-selected=true]")?.textContent === "0000"`)
	b.clean(p)
}

// Rows come while it still looks, and Stop ends it with a word about it.
func TestRowsStreamAndStop(t *testing.T) {
	p := serve(t, "web")
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	// More than can be hashed before somebody presses a key.
	b.write("FIND file /usr/** RETURN path, sha512, sha3_256, entropy ")
	b.wait(`!document.querySelector(".problems").childElementCount`)
	b.press("Enter", ctrl)
	b.wait(`document.querySelector("#ask .badge.running") && document.querySelectorAll("#ask .grid tbody tr").length > 3`)
	b.picture("streaming")
	b.eval(`[...document.querySelectorAll("#ask button")].find((e) => e.textContent === "Stop").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("#ask .badge.failed").textContent === "stopped" && document.querySelector("#ask .problem").textContent.includes("what was found until then")`)
	b.clean(p)
}

// All that a mouse can do the keyboard can, and nothing holds it.
func TestKeyboardAlone(t *testing.T) {
	p := serve(t, "web", "--root", machine(t))
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.write("FIND file /etc/* RETURN path, mtime ")
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".badge.complete") && document.querySelectorAll(".grid tbody tr").length`)
	var been []string
	for range 30 {
		b.press("Tab", 0)
		at, _ := b.eval(`(() => { const e = document.activeElement; return e.tagName + " " + (e.getAttribute("aria-label") || e.textContent).slice(0, 40); })()`).(string)
		been = append(been, at)
	}
	for _, want := range []string{
		"BUTTON RunCtrl ↵", "BUTTON Explain", "BUTTON Table", "BUTTON Stack", "BUTTON Time line", "INPUT Filter rows", "BUTTON CSV", "BUTTON JSONL",
		"TABLE Rows: arrows move, Enter shows one", "BUTTON path", "A Ask", "A Fleet", "A Investigations", "TEXTAREA Query",
	} {
		if !slices.Contains(been, want) {
			t.Errorf("Tab does not come to %s, but to\n%s", want, strings.Join(been, "\n"))
		}
	}
	b.clean(p)
}

// A plan is drawn, and parameters are asked for.
func TestExplainAndParameters(t *testing.T) {
	p := serve(t, "web", "--root", machine(t))
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.write(`PARAM word text FIND file /etc/* CONTAINS $word RETURN path `)
	b.wait(`document.querySelector("[data-param=word]")`)
	b.eval(`document.querySelector("[data-param=word]").focus()`)
	b.write("root")
	b.eval(`[...document.querySelectorAll("#ask button")].find((e) => e.textContent === "Explain").click()`)
	b.wait(`document.querySelector(".plan pre").textContent.includes("CONTAINS $word")`)
	b.picture("explain")
	b.eval(`document.querySelector("#ask .primary").click()`)
	b.wait(`document.querySelector(".badge.complete") && document.querySelectorAll(".grid tbody tr").length === 6`)
	b.clean(p)
}

// An answer that breaks off is not taken for a whole one, and a page whose
// quaestor has gone says so.
func TestItIsGone(t *testing.T) {
	p := serve(t, "web", "--root", machine(t))
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.write(`FIND file /etc/* `)
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".badge.complete")`)
	b.eval(`window.own = fetch; window.fetch = async (path, o) => { const r = await own(path, o); return path === "/v1/query" ? new Response((await r.text()).split("\n").slice(0, 2).join("\n") + "\n") : r; }`)
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".badge.failed") && document.querySelector(".problem").textContent.includes("the answer was cut")`)
	p.stop()
	b.write(" ")
	b.wait(`document.querySelector(".problems").textContent.includes("quaestor web does not answer")`)
}

// What an agent refuses is seen, and is not taken for nothing.
func TestRefusal(t *testing.T) {
	p := serve(t, "demo", "--web")
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.querySelector("#relay").textContent === "5 of 5 agents online"`)
	b.write("FROM fleet FIND file /etc/hosts CONTAINS \"localhost\" RETURN path, line ")
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".legend strong")?.textContent === "0 of 5 agents answered"`)
	b.wait(`document.querySelector(".nothing").textContent === "No rows, but 5 of 5 agents did not answer." && document.querySelector(".part.refused")`)
	b.eval(`document.querySelector(".account details").open = true`)
	b.picture("refused")
	b.clean(p)
}
