package signing

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPathAllowed(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		yes, no     []string
	}{
		{nil, nil, []string{"/etc/passwd", "anything", "../x", ""}, nil},
		{[]string{"/etc/**"}, nil, []string{"/etc", "/etc/", "/etc/a", "/etc/a/b"}, []string{"/", "/etcetera", "/usr/etc", "/ETC/a", "etc/a", "/etc/../root/x", "/etc//a", "/etc/./a", "", "."}},
		{[]string{"/etc/*"}, nil, []string{"/etc/a"}, []string{"/etc", "/etc/a/b"}},
		{[]string{"**/*.log"}, nil, []string{"/a.log", "/var/log/a.log", "C:\\logs\\a.LOG"}, []string{"/var/log/a.txt"}},
		{[]string{"/home/*/.bashrc", "/root/[a-c]?"}, nil, []string{"/home/x/.bashrc", "/root/ab"}, []string{"/home/x/y/.bashrc", "/root/da"}},
		{nil, []string{"/home/*/.ssh"}, []string{"/home/x", "/home/x/.sshd", "/etc"}, []string{"/home/x/.ssh", "/home/x/.ssh/id", "/HOME/X/.SSH/a/b", "/home/../home/x/.ssh/id", "relative"}},
		{[]string{"/home/**"}, []string{"/home/*/.ssh/**"}, []string{"/home/x/a", "/home"}, []string{"/home/x/.ssh", "/home/x/.ssh/id", "/etc"}},
		{[]string{"C:/Users/**"}, []string{"C:/Users/*/Secret"}, []string{`C:\Users\x\a`, "c:/users/x"}, []string{`C:\Users\x\SECRET\a`, `D:\Users`, "/etc", `C:\Users\..\Windows`}},
		{nil, []string{"**/*.key"}, []string{"/a/key"}, []string{"/a/b.key", "/x.KEY", "/a/b.key/inside"}},
	} {
		p := &Policy{rules: map[string]Rule{"file": {Module: "file", Allow: c.allow, Deny: c.deny}}}
		for _, g := range append(c.allow, c.deny...) {
			if err := checkGlob(g); err != nil {
				t.Error(err)
			}
		}
		for _, y := range c.yes {
			if deny := p.Denier("file"); (deny == nil) != (len(c.deny) == 0) || deny != nil && deny(y) {
				t.Errorf("deny %q: %q is not read", c.deny, y)
			}
			if !p.PathAllowed("file", y) {
				t.Errorf("allow %q deny %q: %q is denied", c.allow, c.deny, y)
			}
		}
		for _, n := range c.no {
			if p.PathAllowed("file", n) {
				t.Errorf("allow %q deny %q: %q is allowed", c.allow, c.deny, n)
			}
			if deny := p.Denier("file"); len(c.allow) == 0 && path.IsAbs(n) && path.Clean(n) == n && !deny(n) {
				t.Errorf("deny %q: %q is read", c.deny, n)
			}
		}
		if p.HasPaths("file") != (len(c.allow)+len(c.deny) > 0) || p.HasPaths("host") || !p.PathAllowed("host", "/") {
			t.Errorf("allow %q deny %q: wrong module", c.allow, c.deny)
		}
	}
	p := &Policy{rules: map[string]Rule{"file": {Allow: []string{"/**"}}}}
	if p.PathAllowed("file", "/"+strings.Repeat("a", maxPath)) {
		t.Error("a path without end is allowed")
	}
}

// An account names what denies a place, and not the place.
func TestVeiled(t *testing.T) {
	p := &Policy{rules: map[string]Rule{
		"file": {Module: "file", Deny: []string{"/home/**", "/etc/shadow", "C:/Users/*/Secret"}},
		"line": {Module: "line", Deny: []string{"/srv/*"}},
	}}
	for place, want := range map[string]string{
		"/home": "/home/**", "/home/ann/.ssh": "/home/**", "/HOME/x": "/home/**", "/etc/shadow": "/etc/shadow", "/etc/shadow!/x": "/etc/shadow!/x",
		`C:\Users\ann\secret\x`: "C:/Users/*/Secret", "/srv/a/b": "/srv/*", "/var": "/var", "": "", "relative": "relative",
	} {
		if got := p.Veiled(place, []string{"line"}); got != want {
			t.Errorf("%q: %q, not %q", place, got, want)
		}
	}
	if got := p.Veiled("/srv/a", nil); got != "/srv/a" {
		t.Errorf("by the rule of a module that was not asked: %q", got)
	}
}

// The matcher and a regular expression made from the glob agree.
func TestGlobsAgreeWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		glob := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*", "**", "?", "a*", "*b", "a?b", "**"}), 1, 6).Draw(t, "glob")
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "aab", "c", "acb"}), 1, 6).Draw(t, "path")
		re := "^"
		for _, g := range glob {
			if g == "**" {
				re += "(/[^/]+)*"
				continue
			}
			re += "/" + strings.NewReplacer("*", "[^/]*", "?", "[^/]").Replace(g)
		}
		want := regexp.MustCompile(re + "$").MatchString("/" + strings.Join(segments, "/"))
		if got := matchGlob(glob, segments); got != want {
			t.Fatalf("%q on %q: %v, want %v", glob, segments, got, want)
		}
	})
}
