package packages

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestRepositories(t *testing.T) {
	got, _ := moduletest.Rows(t, repositories(), filesTree(t), strings.Fields("path line manager kind id uri mirrors suite components architectures enabled trusted signed keys origin version"), nil)
	want := []string{
		"/etc/apt/sources.list | 1 | dpkg | deb | null | http://old.example/ | null | lenny | [main] | [] | false | false | null | [] | null | null",
		"/etc/apt/sources.list | 2 | dpkg | deb | null | http://deb.example/debian | null | bookworm | [main, contrib] | [amd64] | true | true | null | [/k.gpg] | Example | 12.5",
		"/etc/apt/sources.list | 3 | dpkg | deb-src | null | http://deb.example/debian | null | bookworm | [main] | [] | true | false | null | [] | Example | 12.5",
		"/etc/apt/sources.list.d/a.sources | 2 | dpkg | deb | null | https://x.example/u | null | noble | [main, universe] | [] | true | false | null | [/usr/share/k.gpg] | null | null",
		"/etc/apt/sources.list.d/a.sources | 2 | dpkg | deb | null | https://x.example/u | null | noble-updates | [main, universe] | [] | true | false | null | [/usr/share/k.gpg] | null | null",
		"/etc/apt/sources.list.d/a.sources | 2 | dpkg | deb-src | null | https://x.example/u | null | noble | [main, universe] | [] | true | false | null | [/usr/share/k.gpg] | null | null",
		"/etc/apt/sources.list.d/a.sources | 2 | dpkg | deb-src | null | https://x.example/u | null | noble-updates | [main, universe] | [] | true | false | null | [/usr/share/k.gpg] | null | null",
		"/etc/apt/sources.list.d/a.sources | 9 | dpkg | deb | null | https://y.example | null | z | [] | [] | false | false | null | [] | null | null",
		"/etc/yum.repos.d/b.repo | 1 | rpm | rpm | base | https://r.example/ | null | null | [] | [] | false | false | true | [file:///k1, file:///k2] | null | null",
		"/etc/yum.repos.d/b.repo | 8 | rpm | rpm | next | null | https://m.example/ | null | [] | [] | true | true | false | [] | null | null",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// No text of a source makes the parsers fall.
func FuzzRepositories(f *testing.F) {
	f.Add("deb [arch=amd64] http://x y z\n")
	f.Add("Types: deb\nURIs: a b\nSuites: c\n d\n")
	f.Add("[a]\nname=b\nbaseurl = c\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string, string) []repository{parseSourcesList, parseDeb822, parseYum} {
			for _, r := range parse("f", text) {
				if r.line < 1 || r.manager == "" {
					t.Fatalf("%+v of %q", r, text)
				}
			}
		}
	})
}
