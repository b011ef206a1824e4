// Package browser drives the page of quaestor web in a headless Chromium.
package browser

import (
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	p := serve(t, "web", "--root", machine(t))
	b := open(t)
	b.goTo(p.link)
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
	b.clean(p)
}

func TestFleet(t *testing.T) {
	p := serve(t, "demo", "--web")
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.querySelector("#relay").textContent === "5 of 5 agents online"`)
	b.picture("begin")
	b.write("FROM fleet FIND file /etc/** RETURN path, size, owner, mtime ")
	b.press("Enter", ctrl)
	b.wait(`document.querySelector(".state .badge:not(.running)")`)
	b.wait(`document.querySelector(".legend strong")?.textContent === "5 of 5 agents answered"`)
	b.picture("answer")
	b.stacks()
	b.filters()
	b.opens()
	b.saves()
	b.laysOut()
	b.looksAtHosts()
	b.comesBack()
	b.darkens()
	b.clean(p)
}

// stacks counts values, rarest first; a bar is a filter.
func (b *browser) stacks() {
	b.t.Helper()
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
		b.t.Errorf("the row is of %v, not of %v", got, rare)
	}
	b.eval(`document.querySelector(".chip").click()`)
}

// filters narrows the rows and sorts them.
func (b *browser) filters() {
	b.t.Helper()
	b.eval(`document.querySelector(".answer input[type=search]").focus()`)
	b.write("host:web-1")
	b.wait(`[...document.querySelectorAll(".grid tbody td:first-child")].every((e) => e.textContent === "web-1") && / of /.test(document.querySelector(".answer .tools > .muted").textContent)`)
	b.eval(`document.querySelector("[data-column=path]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("th[aria-sort=ascending]")?.textContent.startsWith("path")`)
	b.wait(`(() => { const p = [...document.querySelectorAll(".grid tbody td:nth-child(2)")].map((e) => e.textContent); return p.length > 1 && p.every((x, i) => !i || p[i - 1] <= x); })()`)
}

// opens shows one row whole, and leaves it, by keyboard.
func (b *browser) opens() {
	b.t.Helper()
	b.eval(`document.querySelector(".grid table").focus()`)
	b.press("ArrowDown", 0)
	b.press("ArrowDown", 0)
	b.press("Enter", 0)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog h2").textContent.startsWith("Row 2 of ")`)
	b.picture("row")
	b.press("Escape", 0)
	b.wait(`!document.querySelector("dialog").open`)
}

// saves takes home what is shown.
func (b *browser) saves() {
	b.t.Helper()
	b.eval(`(() => { window.saved = []; const own = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return own.call(URL, blob); }; })()`)
	b.eval(`document.querySelectorAll("#ask .save button").forEach((e) => e.click())`)
	b.wait(`window.saved.length === 2`)
	if csv, _ := b.eval(`saved.find((s) => s.startsWith("host,"))`).(string); !strings.HasPrefix(csv, "host,agent,path,size,owner,mtime\r\nweb-1,") {
		b.t.Errorf("the CSV is %q", csv)
	}
	if jsonl, _ := b.eval(`saved.find((s) => s.startsWith("{"))`).(string); !strings.HasPrefix(jsonl, `{"host":"web-1","agent":"`) {
		b.t.Errorf("the JSONL is %q", jsonl)
	}
}

// laysOut looks at the time line.
func (b *browser) laysOut() {
	b.t.Helper()
	b.eval(`document.querySelector("[data-look=line]").click()`)
	b.wait(`document.querySelectorAll(".bin span").length > 0 && document.querySelectorAll(".events li").length > 1`)
	b.picture("timeline")
}

// looksAtHosts opens a host from a row, and from the map.
func (b *browser) looksAtHosts() {
	b.t.Helper()
	b.eval(`document.querySelector("[data-look=table]").click()`)
	b.eval(`document.querySelector(".grid button.link").click()`)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog h2").textContent === "web-1"`)
	b.press("Escape", 0)
	b.eval(`document.querySelector("nav a[data-view=fleet]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.activeElement.id === "main"`) // the view is there
	b.wait(`document.querySelectorAll(".box.online").length === 5 && document.querySelector("#fleet .tools select").value !== ""`)
	b.picture("fleet")
	b.eval(`document.querySelector("[data-agent]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("dialog").open && document.querySelector("dialog .facts").textContent.includes("tags.role")`)
	b.picture("host")
	b.wait(`document.activeElement.textContent === "Ask this host"`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("textarea").value.startsWith("FROM host \"") && document.activeElement === document.querySelector("textarea")`)
}

// comesBack finds what was asked in the list.
func (b *browser) comesBack() {
	b.t.Helper()
	b.eval(`document.querySelector("nav a[data-view=investigations]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.activeElement.id === "main"`)
	b.wait(`document.querySelector(".card .badge.done")`)
	b.picture("investigations")
	b.eval(`document.querySelector(".card").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("#investigation .legend strong")?.textContent === "5 of 5 agents answered"`)
	b.wait(`document.querySelectorAll("#investigation .grid tbody tr").length > 5`)
	b.picture("investigation")
}

// darkens looks at it as a dark system shows it.
func (b *browser) darkens() {
	b.t.Helper()
	light := b.eval(`getComputedStyle(document.body).backgroundColor`)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	b.wait(`getComputedStyle(document.body).backgroundColor !== "` + light.(string) + `"`)
	b.picture("dark")
}
