package file

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
)

// denying asks with /secret of the tree denied, and whatever is in a folder
// mail.
func denying(root string, live bool, locators ...string) *query {
	q := ask(locators...)
	prefix := ""
	if live {
		prefix = root
	} else {
		q.Host.Root = root
	}
	q.Host.Deny = func(path string) bool {
		return strings.HasPrefix(path+"/", filepath.ToSlash(prefix)+"/secret/") || strings.HasPrefix(path, filepath.ToSlash(prefix)+"/mail/")
	}
	return q
}

// What is denied is not shown, opened or gone into, whichever name leads to
// it, in a tree and on the machine itself; that it was left out is told, and
// what it is called is not.
func TestDenied(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		for _, live := range []bool{false, true} {
			root, err := filepath.EvalSymlinks(tree(t, map[string]string{"open/f": "needle", "secret/planted": "needle", "secret/deep/planted": "needle", "mail/planted": "needle"}))
			if err != nil {
				t.Fatal(err)
			}
			prefix := ""
			if live {
				prefix = root
			}
			for link, to := range map[string]string{"link": "/secret", "open/in": "/secret/deep", "open/file": "/secret/planted", "open/mail": "/mail", "round": "/link"} {
				if err := os.Symlink(prefix+to, filepath.Join(root, link)); err != nil {
					t.Skip("LEFT OUT: there are no links here: ", err)
				}
			}
			for _, follow := range []bool{false, true} {
				for _, where := range []string{"/**", "/secret", "/secret/**", "/secret/planted", "/link", "/link/**", "/link/planted", "/round/deep/planted", "/secret/nothing", "/link/nothing", "/mail/no/thing", "/open/in/planted", "/open/file", "/mail/**", "/open/mail/*", "/open/**"} {
					q := denying(root, live, prefix+where)
					q.Settings.FollowLinks = follow
					q.Questions = []modules.Question{literal("needle")}
					for _, r := range collect(t, m, q, matching(0)) {
						path, found, _ := strings.Cut(strings.TrimPrefix(r, prefix), " ")
						if strings.Contains(path, "planted") || strings.Contains(path, "deep") || found == "true" && path != "/open/f" {
							t.Errorf("%s, followed %v, live %v: %s is shown", where, follow, live, r)
						}
					}
					kinds := q.ledger.kinds()
					if kinds[modules.SkipPolicy] == 0 && where != "/open/**" {
						t.Errorf("%s, followed %v, live %v: nothing is told: %v", where, follow, live, kinds)
					}
					for _, s := range q.ledger.skips {
						if strings.Contains(s.Where, "planted") && !strings.Contains(where, "planted") || strings.Contains(s.Where, "deep") && !strings.Contains(where, "deep") {
							t.Errorf("%s, followed %v, live %v: the account names %s", where, follow, live, s.Where)
						}
					}
				}
			}
		}
	})
}

// The files that are not denied are counted and found as before.
func TestDeniedBeside(t *testing.T) {
	root := tree(t, map[string]string{"a/f": "needle", "b/f": "needle", "secret/f": "needle"})
	q := denying(root, false, "/**")
	q.Questions = []modules.Question{literal("needle")}
	if err := New().Scan(context.Background(), &q.Request, func(modules.Row) error { return nil }); err != nil {
		t.Fatal(err)
	}
	q = denying(root, false, "/**")
	q.Questions = []modules.Question{literal("needle")}
	rows := collect(t, New().(*module), q, matching(0))
	if got := strings.Join(rows, "\n"); !strings.Contains(got, "/a/f true") || !strings.Contains(got, "/b/f true") || strings.Contains(got, "secret") {
		t.Errorf("%s", got)
	}
}

// What is allowed by its name must be allowed by where it is: a link that leads
// out of an allowed folder is shown as the link that it is, and what is behind
// it neither shown nor read; it is told by its name. Folders on the way to
// what is allowed are gone through.
func TestAllowedWhereItIs(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		for _, live := range []bool{false, true} {
			root, err := filepath.EvalSymlinks(tree(t, map[string]string{"a/open/f": "needle", "a/open/deep/f": "needle", "secret/planted": "needle", "secret/deep/planted": "needle"}))
			if err != nil {
				t.Fatal(err)
			}
			prefix := ""
			if live {
				prefix = filepath.ToSlash(root)
			}
			for link, to := range map[string]string{"a/open/in": "/secret", "a/open/file": "/secret/planted", "a/open/own": "/a/open/f", "round": "/a/open"} {
				if err := os.Symlink(prefix+to, filepath.Join(root, link)); err != nil {
					t.Skip("LEFT OUT: there are no links here: ", err)
				}
			}
			for _, c := range []struct {
				where       string
				follow      bool
				found, told string // paths, in order
			}{
				{"/a/open/**", false, "/a/open/deep/f /a/open/f", ""},
				{"/a/open/**", true, "/a/open/deep/f /a/open/f /a/open/own", "/a/open/file /a/open/in /a/open/in/deep /a/open/in/deep/planted /a/open/in/planted"},
				{"/a/open/file", false, "", "/a/open/file"},
				{"/a/open/own", false, "/a/open/own", ""},
				{"/a/open/in/*", false, "", "/a/open/in/deep /a/open/in/planted"},
				{"/a/open/in/deep/planted", false, "", "/a/open/in/deep/planted"},
				{"/round/*", false, "/round/f", ""},
				{"/a/**", false, "/a/open/deep/f /a/open/f", ""},
			} {
				q := ask(prefix + c.where)
				if !live {
					q.Host.Root = root
				}
				q.Host.Allow = func(path string) bool { return strings.HasPrefix(path+"/", prefix+"/a/open/") }
				q.Settings.FollowLinks = c.follow
				q.Questions = []modules.Question{literal("needle")}
				var found, told []string
				for _, r := range collect(t, m, q, matching(0)) {
					path, yes, _ := strings.Cut(strings.TrimPrefix(r, prefix), " ")
					if yes == "true" {
						found = append(found, path)
					}
				}
				for _, s := range q.ledger.skips {
					if s.Kind == modules.SkipPolicy {
						told = append(told, strings.TrimPrefix(s.Where, prefix))
					}
				}
				slices.Sort(found)
				slices.Sort(told)
				if strings.Join(found, " ") != c.found || strings.Join(told, " ") != c.told {
					t.Errorf("%s, followed %v, live %v: %q is found and %q told", c.where, c.follow, live, found, told)
				}
			}
		}
	})
}
