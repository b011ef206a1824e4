package browser

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/cli"
)

// A case is listed, its report is shown in a frame that runs nothing, and its
// answers are asked again.
func TestCase(t *testing.T) {
	home, root := t.TempDir(), machine(t)
	for _, args := range [][]string{
		{"run", "FIND file /etc/* RETURN path, size", "--root", root, "--case", "shop-2026"},
		{"case", "note", "shop-2026", "<script>parent.harmed = 1</script>"},
	} {
		var out strings.Builder
		if code := cli.Main(t.Context(), args, surroundings(home, &out)); code != cli.ExitDone {
			t.Fatalf("%v: %d %s", args, code, out.String())
		}
	}
	p := serveFrom(t, home, "web", "--root", root)
	b := open(t)
	b.goTo(p.link)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.eval(`document.querySelector("nav a[data-view=cases]").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("#cases .card")?.textContent.includes("shop-20261 question, 1 note")`)
	b.eval(`document.querySelector("#cases .card").focus()`)
	b.press("Enter", 0)
	b.wait(`document.querySelector("#case iframe")?.getAttribute("sandbox") === ""`)
	report, _ := b.eval(`fetch(document.querySelector("#case iframe").src).then((r) => r.text())`).(string)
	if !strings.Contains(report, "FIND file /etc/*") || strings.Contains(report, "<script>") {
		t.Errorf("the report is %.400s", report)
	}
	b.picture("case")
	b.eval(`location.hash = "#ask"`)
	b.wait(`document.activeElement.tagName === "TEXTAREA"`)
	b.write(`FROM case("shop-2026") FIND answer RETURN path, size `)
	b.press("Enter", ctrl)
	b.wait(`document.querySelector("#ask .badge:not(.running)") && document.querySelectorAll("#ask .grid tbody tr").length === 7`)
	b.clean(p)
}
