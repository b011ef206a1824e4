//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A scene is one screen of a page of docs.
type scene struct {
	page  string
	name  string
	lines []string // typed, each ended; the last one is not, where open is set
	open  bool
	until string
}

var scenes = []scene{
	{"prompt", "ask", []string{"FIND file /etc/**", "WHERE size > 20", "RETURN path, size;", "FIND file /srv/** WHERE name = \"passwd\" OR path IN @last.path RETURN path, mtime;"}, false, "1 row"},
	{"prompt", "complete", []string{"FROM fleet WHERE os = linux FIND file /etc/** WHERE m"}, true, "mtime"},
	{"prompt", "mistake", []string{`FIND file /etc/** WHERE mtme > now - 2d AND size > "big";`}, false, "did you mean"},
	{"prompt", "help", []string{"help NOCASE", "help file.mtime", "help basename"}, false, "last separator"},
	{"prompt", "commands", []string{`\?`}, false, "exit"},
	{"prompt", "record", []string{`\x`, "FIND file /etc/passwd RETURN path, mode, mtime, sha256;"}, false, "1 row"},
	{"cases", "case", []string{
		`\case open shop-2026`, "FIND file /etc/** WHERE size > 20 RETURN path, size;", `\case note The owner was told at nine.`,
		`FROM case("shop-2026") FIND answer RETURN entry, path, size ORDER BY size DESC;`, `\case close`,
	}, false, "is closed"},
}

var (
	screenBlock = regexp.MustCompile("(?s)<!-- screen ([a-z]+) -->\n```text\n(.*?)```\n")
	prompting   = regexp.MustCompile(`(?m)^[a-z0-9-]+>\z`)
	tookTime    = regexp.MustCompile(`[0-9]+\.[0-9]{3} s\b`)
)

// What the pages show is what a terminal shows.
func TestPromptPage(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"prompt", "cases"} {
		t.Run(page, func(t *testing.T) { showsScreens(t, page) })
	}
}

func showsScreens(t *testing.T, name string) {
	page := "../../docs/" + name + ".md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, m := range screenBlock.FindAllStringSubmatch(string(text), -1) {
		shown[m[1]] = m[2]
	}
	taken := map[string]string{}
	for _, sc := range scenes {
		if sc.page != name {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			got := take(t, sc)
			if taken[sc.name] = got; !*update && got != shown[sc.name] {
				t.Errorf("the page shows another screen; go test ./internal/e2e -run TestPromptPage -update\n%s", got)
			}
		})
	}
	if len(shown) != len(taken) {
		t.Errorf("the page has %d screens of %d", len(shown), len(taken))
	}
	if *update && !t.Failed() {
		anew := screenBlock.ReplaceAllStringFunc(string(text), func(block string) string {
			name := screenBlock.FindStringSubmatch(block)[1]
			return "<!-- screen " + name + " -->\n```text\n" + taken[name] + "```\n"
		})
		if err := os.WriteFile(page, []byte(anew), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// take plays a scene and gives what the terminal shows of it.
func take(t *testing.T, sc scene) string {
	s := newScreen(t, "100", "36")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/hostname": "web-1\n", "etc/hosts": "127.0.0.1 localhost web-1\n", "srv/passwd": "x\n",
	} {
		s.put(name, content)
		if err := os.Chtimes(filepath.Join(s.tree, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.tree, "etc/hosts"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.prompt()
	for i, l := range sc.lines {
		// What is typed while nobody reads is echoed by the system.
		s.untilIt("rests", func(text string) bool { return prompting.MatchString(text) || strings.HasSuffix(text, "·") })
		s.types(l)
		s.until(l)
		if i < len(sc.lines)-1 || !sc.open {
			s.key("Enter")
		}
	}
	s.until(sc.until)
	end := "quaestor>"
	s.untilIt("rests", func(text string) bool { return sc.open || strings.HasSuffix(text, end) })
	screen := s.text()
	if sc.open {
		screen = s.still()
	}
	_, screen, _ = strings.Cut(screen, `\q leaves.`+"\n")
	screen = strings.TrimSuffix(screen, end)
	screen = tookTime.ReplaceAllString(screen, "0.001 s")
	var lines []string
	for l := range strings.SplitSeq(strings.TrimRight(screen, "\n "), "\n") {
		lines = append(lines, strings.TrimRight(l, " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

// still gives the screen once it no longer changes.
func (s *screen) still() string {
	s.t.Helper()
	before := ""
	s.untilIt("is still", func(text string) bool {
		same := text == before
		before = text
		time.Sleep(200 * time.Millisecond)
		return same
	})
	return before
}
