package planner_test

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
)

// A query and the list that it reads are others' words: a feed of indicators,
// a file of queries that somebody sent. What compiles can travel.
func FuzzCompile(f *testing.F) {
	cat := catalogue(f)
	for _, q := range []string{
		"FIND file /etc/* WHERE sha256 IN @x", "FIND file /etc/* WHERE (sha256, size) IN @x", "FIND process WHERE (name, exe.sha256) IN @x RETURN name",
		"FIND process WHERE address IN @x", "FIND file /srv/** WHERE mtime > now - 2d CONTAINS ANY @x ORDER BY size DESC LIMIT 3", "PARAM p text FIND file $p", "FIND file /d YARA @x",
		"LET a = $a FIND file /d WHERE size = $a", "LET a = $b LET b = $a FIND file /d WHERE name IN $a", "LET a = $p LET b = $a + $a LET c = $b + $b FIND file /d YARA $c",
		"LET l = args FIND process WHERE \"10.0.0.1\" IN $l NOCASE STACK name HAVING rows > 1 ORDER BY max(pid)", "FIND file /d WHERE mode IN @x AND mode BETWEEN \"0600\" AND \"-rwxr-xr-x\"",
		"LET a = name FIND file /d WHERE name = $a AND type = file AND owner IN (root, name) ANY LINE = root RETURN if(name = x, 1, 2) ORDER BY name = y",
		"FROM fleet WHERE os = linux FIND process WHERE version < 1.2 AND exe.size > 1MB GROUP BY name",
	} {
		for _, l := range lists {
			f.Add(q, l)
		}
	}
	f.Fuzz(func(t *testing.T, text, list string) {
		src := lang.Source{Name: "query", Text: text}
		file, err := lang.Parse(src)
		if err != nil {
			return
		}
		for _, q := range file.Queries {
			in := planner.Inputs{
				Source: src, Dir: "/q", OS: "linux", Now: time.Unix(1_800_000_000, 0), Params: map[string]string{"p": list},
				ReadList: func(string) ([]byte, error) { return []byte(list), nil },
			}
			p, _, err := planner.Compile(q, cat, in)
			if err != nil {
				if err.Error() == "" {
					t.Fatalf("%q: an error that says nothing", text)
				}
				continue
			}
			_ = p.String()
			if _, err := plan.Decode(p.Encode()); err != nil {
				t.Fatalf("%q with %q: what was planned cannot travel: %v", text, list, err)
			}
			in.Source = lang.Source{Name: "query", Text: p.Query}
			signed, err := lang.Parse(in.Source)
			if err != nil {
				t.Fatalf("%q is signed as %q, which is no query: %v", text, p.Query, err)
			}
			again, _, err := planner.Compile(signed.Queries[0], cat, in)
			if err != nil || string(again.Encode()) != string(p.Encode()) {
				t.Fatalf("%q with %q: what is signed, %q, gives another plan: %v", text, list, p.Query, err)
			}
		}
	})
}
