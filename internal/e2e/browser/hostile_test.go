package browser

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	judge "github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/value"
)

// evil is what a gateway says of a fleet whose every word is a hostile one, by
// the address that the page asks.
func evil(t *testing.T) string {
	t.Helper()
	values := judge.Values()
	var answer bytes.Buffer
	line := func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		answer.Write(append(value.EscapeJSON(b), '\n'))
	}
	type object = map[string]any
	var skips, agents []object
	line(object{"kind": "investigation", "id": "0123"})
	line(object{"kind": "tables", "tables": []object{{"name": "file", "columns": []object{
		{"name": "host", "type": "text"}, {"name": "agent", "type": "text"}, {"name": "path", "type": "text"}, {"name": "all", "type": "list"}, {"name": "at", "type": "time"}}}}})
	facts, looked := object{}, object{"files": 1}
	for i, v := range values {
		text := value.AppendJSON(nil, value.NewText(v)) // as the gateway has it, what is no UTF-8 included
		fmt.Fprintf(&answer, `{"kind":"row","table":0,"row":{"host":%s,"agent":%s,"path":%s,"all":[%s,"x"],"at":"2026-11-%02dT00:00:00Z"}}`+"\n", text, text, text, text, i%28+1)
		skips = append(skips, object{"where": v, "detail": v})
		agents = append(agents, object{"agent": v, "host": v, "state": "failed", "rows": 1, "reason": v})
		facts[v], looked[v] = v, 1
	}
	kinds := []object{{"kind": values[0], "count": 1000, "first": skips}}
	line(object{"kind": "coverage", "targeted": len(values), "answered": 0, "doubts": values, "agents": agents})
	line(object{"kind": "summary", "elapsed": 1, "outcome": "partial", "reason": values[0], "matched": len(values), "looked": looked, "skipped": kinds, "limits": values[:1]})

	var fleet, investigations []object
	for i, v := range values {
		fleet = append(fleet, object{"agent": v, "host": v, "online": true, "seen": "2026-11-23T00:00:00Z", "facts": facts, "tags": facts, "problem": []any{nil, v}[i%2]})
		investigations = append(investigations, object{"id": fmt.Sprint(i), "state": "open", "submitted": "2026-11-23T00:00:00Z", "agents": 1, "reached": 1, "done": 1, "bytes": 1, "query": v, "purpose": v, "problem": v})
	}
	said := object{
		"/v1/query": answer.String(), "/v1/investigations/0/results?follow=true": answer.String(),
		"/v1/about": object{"fleet": true}, "/v1/fleet": object{"agents": fleet, "online": 1, "doubts": values},
		"/v1/investigations": object{"investigations": investigations}, "/v1/investigations/0": investigations[len(values)-3],
	}
	for at, v := range said {
		if _, whole := v.(string); !whole {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			said[at] = string(b)
		}
	}
	b, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// everything gives what a page holds: texts and attributes, and the names of
// its elements.
const everything = `(() => {
	const texts = [document.body.textContent, document.title], names = new Set();
	for (const e of document.querySelectorAll("body *")) {
		names.add(e.localName);
		for (const a of e.getAttributeNames()) if (!["id", "value"].includes(a) && !a.startsWith("data-")) texts.push(a + "=" + e.getAttribute(a));
	}
	return { text: texts.join("\n"), names: [...names].join(" ") };
})()`

// own are the elements that the page makes.
const own = "a aside button code col colgroup dd details dialog div dl dt fieldset footer h1 h2 h3 header iframe input kbd label legend li main nav noscript ol option p pre section select small span strong summary table tbody td textarea th thead time tr ul"

// harmless judges what is on the page now.
func (b *browser) harmless(where string) {
	b.t.Helper()
	page, _ := b.eval(everything).(map[string]any)
	text, _ := page["text"].(string)
	names, _ := page["names"].(string)
	if err := judge.Terminal(text); err != nil {
		b.t.Errorf("%s: %v", where, err)
	}
	for _, name := range strings.Fields(names) {
		if !slices.Contains(strings.Fields(own), name) {
			b.t.Errorf("%s: an element %s", where, name)
		}
	}
	for _, l := range strings.Split(text, "\n") {
		if name, to, _ := strings.Cut(l, "="); strings.HasPrefix(name, "on") || name == "href" && !strings.HasPrefix(to, "#") || name == "src" {
			b.t.Errorf("%s: an attribute %.60s", where, l)
		}
	}
	if strings.Count(text, "<script>alert(1)</script>") == 0 && where != "empty" {
		b.t.Errorf("%s: what was to be shown is not there", where)
	}
}

// Whatever a fleet says is text on the page, in each of its views, and in the
// files that it saves.
func TestNothingHostileIsDrawn(t *testing.T) {
	p := serve(t, "web", "--root", machine(t))
	b := open(t)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1360, "height": 6000, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{
		"source": `window.said = ` + evil(t) + `; window.real = fetch; window.fetch = async (path, o) => path in said ? new Response(said[path]) : real(path, o)`}, nil)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	n := len(judge.Values())
	b.write("FIND file /etc/* ")
	b.press("Enter", ctrl)
	b.wait(fmt.Sprintf(`document.querySelector(".badge.partial") && document.querySelectorAll("#ask .grid tbody tr").length >= %d`, n))
	b.eval(`document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
	b.harmless("table")
	b.savesNothingHostile(n)
	b.eval(`document.querySelectorAll("details").forEach((d) => { d.open = false; })`) // they leave the rows no room
	b.wait(`[...document.querySelectorAll("#ask .grid tbody tr")].some((tr) => tr.textContent.includes("<script>"))`)
	b.eval(`[...document.querySelectorAll("#ask .grid tbody tr")].find((tr) => tr.textContent.includes("<script>")).click()`)
	b.wait(`document.querySelector("dialog").open`)
	b.harmless("row")
	b.press("Escape", 0)
	b.eval(`document.querySelector("[data-look=stack]").click()`)
	b.eval(`(() => { const s = document.querySelector(".body select"); s.value = "path"; s.dispatchEvent(new Event("change")); })()`)
	b.wait(fmt.Sprintf(`document.querySelectorAll(".stack li").length === %d`, n))
	b.harmless("stack")
	b.eval(`[...document.querySelectorAll(".stack button")].find((e) => e.textContent.includes("<script>")).click()`)
	b.wait(`document.querySelector(".chip")`)
	b.harmless("filter")
	b.eval(`document.querySelector(".chip").click(); document.querySelector("[data-look=line]").click()`)
	b.wait(fmt.Sprintf(`document.querySelectorAll(".events li").length === %d`, n))
	b.harmless("time line")
	b.eval(`location.hash = "#fleet"`)
	b.wait(`document.querySelectorAll("#fleet .box").length > 10`)
	b.harmless("fleet")
	b.eval(`[...document.querySelectorAll("#fleet .box")].find((e) => e.textContent.includes("<script>")).click()`)
	b.wait(`document.querySelector("dialog").open`)
	b.harmless("host")
	b.press("Escape", 0)
	b.eval(`location.hash = "#investigations"`)
	b.wait(fmt.Sprintf(`document.querySelectorAll("#investigations .card").length === %d`, n))
	b.harmless("investigations")
	b.eval(`location.hash = "#investigation/0"`)
	b.wait(`document.querySelector("#investigation .badge.partial")`)
	b.harmless("investigation")
	if b.eval(`window.harmed === undefined`) != true {
		t.Error("something ran")
	}
	b.clean(p)
}

// savesNothingHostile reads back what the page saves of n rows.
func (b *browser) savesNothingHostile(n int) {
	b.t.Helper()
	b.eval(`(() => { window.saved = []; const own = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return own.call(URL, blob); }; })()`)
	b.eval(`document.querySelectorAll("#ask .save button").forEach((e) => e.click())`)
	b.wait(`window.saved.length === 2`)
	table, _ := b.eval(`saved.find((s) => s.startsWith("host,"))`).(string)
	lines, _ := b.eval(`saved.find((s) => s.startsWith("{"))`).(string)
	records, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(records) != n+1 {
		b.t.Errorf("CSV: %d records, %v", len(records), err)
	}
	for _, r := range records {
		for _, cell := range r {
			if err := judge.Spreadsheet(cell); err != nil {
				b.t.Errorf("CSV: %v", err)
			}
		}
	}
	if err := judge.Terminal(lines); err != nil {
		b.t.Errorf("JSONL: %v", err)
	}
	for i, l := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		var row struct{ Path string }
		if err := json.Unmarshal([]byte(l), &row); err != nil || i >= n {
			b.t.Fatal(errors.Join(err, fmt.Errorf("JSONL: line %d is %.80s", i+1, l)))
		}
		if want := judge.Values()[i]; row.Path != want && strings.ToValidUTF8(want, "") == want {
			b.t.Errorf("JSONL: %.60q instead of %.60q", row.Path, want)
		}
	}
}
