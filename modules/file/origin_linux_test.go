package file

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
)

// On Linux browsers write where a file is from into its attributes, and a
// volume of another system that is mounted shows theirs.
func TestOriginOnLinux(t *testing.T) {
	root := tree(t, map[string]string{"d/fetched": "", "d/mounted": "", "d/own": ""})
	for name, attributes := range map[string]map[string]string{
		"fetched": {"user.xdg.origin.url": "https://c.example/y"},
		"mounted": {"user.com.apple.quarantine": "0083;5f3e2a1b;curl;", "user.Zone.Identifier": "ZoneId=3"},
	} {
		for attribute, v := range attributes {
			if err := unix.Setxattr(root+"/d/"+name, attribute, []byte(v), 0); err != nil {
				t.Fatal(err) // the file system of the test must keep them
			}
		}
	}
	eachSystem(t, func(t *testing.T, m *module) {
		got := collect(t, m, ask(root+"/d/*"), func(r modules.Row) string {
			s := get(r, "name").Text()
			for _, column := range []string{"origin_url", "origin_agent", "origin_zone", "quarantine", "streams", "owner_sid", "hidden", "attributes"} {
				if v := get(r, column); !v.IsNull() {
					s += " " + column + "=" + v.String()
				}
			}
			if pe := get(r, "pe").Text(); !strings.HasSuffix(pe, "/d/"+get(r, "name").Text()) {
				s += " " + pe
			}
			return s
		})
		same(t, got, []string{"fetched origin_url=https://c.example/y", "mounted origin_agent=curl origin_zone=3 quarantine=0083;5f3e2a1b;curl;", "own"})
	})
}
