package value

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// versionTables holds chains in ascending order; versions joined by = are equal.
var versionTables = map[Scheme][]string{
	Dpkg: {
		"1.0~~ 1.0~~a 1.0~ 1.0=1.00=1.0-0=0:1.0 1.0-1 1.0a 1.0+b 1.0.1 1.9 1.10 1:0.1 2:0",
		"~1 0=00= a",
		"1.2-1+deb12u1 1.2-1+deb12u4 1.2-1+deb12u10 1.2-2",
	},
	RPM: {
		"1.0~rc1~git1 1.0~rc1 1.0~rc2 1.0=1_0=1..0=1.0. 1.0^ 1.0^git1 1.0^git2 1.0.rc1 1.0.1",
		"10a2 10b2 10.0001=10.1 10.0039", "xyz.4 2 8", "1.0a 1.0aa 2.0", "5.5p1 5.5p2 5.5p10 5.6p1 6.5p1",
		"10xyz 10.1xyz", "xyz10 xyz10.1", "6.0 6.0.rc1", "a+=a_=a", "1.0~rc1^git1 1.0~rc1^git2", "1.0^git1~pre 1.0^git1",
		"1.0 1.0-1 1.0-1.el9 1.0-2 1:0.5-1", "0:1.0-1=1.0-1=1.0-01",
	},
	APK: {
		"0.1.0_alpha 0.1.0_alpha2 0.1.0_beta 0.1.0_pre1 0.1.0_rc1 0.1.0 0.1.0-r1 0.1.0_p1 0.1.0a 0.1.0.1 0.1.3_alpha",
		"0.1.0_alpha_pre2 0.1.0_alpha", "1.0 1.0bc", "4_beta 23_foo", "1.0_p9-r0 1.0_p10-r0", "1.02-r1 1.02.07 1.02.10-r1 1.1.3",
		"2.3.0b-r1 2.3.0b-r2 2.3.0b-r10", "1.3-r0 1.3.1-r0", "1.3_pre1-r1 1.3.2", "087-r1 103 104-r9 104-r11", "0.59s-r11 0.65",
		"1.0.0_pre20191002222144-r0 1.0.0_pre20210530193627-r0", "1.06-r6 006 8 9", "0.9.8c-r1 0.9.8d", "1.5.0_p2 1.5.1", "0.20.1 0.20.10",
	},
	Semver: {
		"1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0=1=v1.0=1.0.0+build.5 1.0.1 1.2 2.0.0",
		"0=0.0.0 0.0.1 0.1 10.0.0-1 10.0.0-2 10.0.0-10 10.0.0-a 10.0.0",
	},
	AnyScheme: {
		"1.2.3-alpha 1.2.3-rc.9 1.2.3-rc.10 1.2.3=v1.2.3=1.2.3+build 1.2.4 1.10=1.10.0",
		"2.36-9+deb12u4 2.36-9+deb12u10 2.36-10",
	},
}

func TestVersionTables(t *testing.T) {
	for scheme, chains := range versionTables {
		for _, chain := range chains {
			type ranked struct {
				text string
				rank int
			}
			var all []ranked
			for i, same := range strings.Split(chain, " ") {
				for _, v := range strings.Split(same, "=") {
					all = append(all, ranked{v, i})
				}
			}
			for _, a := range all {
				for _, b := range all {
					want := min(1, max(-1, a.rank-b.rank))
					if got := CompareVersions(a.text, b.text, scheme); got != want {
						t.Errorf("%v: %q to %q is %d, want %d", scheme, a.text, b.text, got, want)
					}
				}
			}
		}
	}
}

// TestVersionsAgainstDpkg asks dpkg where there is one; elsewhere the tables stand alone.
func TestVersionsAgainstDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("no dpkg on this machine: only TestVersionTables speaks for Dpkg")
	}
	gen := rapid.StringMatching(`([01]:)?[0-9][0-9a.~+]{0,4}(-[0-9a.~+]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		got := CompareVersions(a, b, Dpkg)
		for op, want := range map[string]bool{"lt": got < 0, "eq": got == 0} {
			err := exec.Command(dpkg, "--compare-versions", a, op, b).Run()
			var exit *exec.ExitError
			if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
				t.Fatal(err)
			}
			if (err == nil) != want {
				t.Fatalf("dpkg says %q %s %q is %t", a, op, b, err == nil)
			}
		}
	})
}
