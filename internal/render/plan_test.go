package render

import (
	"regexp"
	"testing"
)

func TestPlan(t *testing.T) {
	const drawing = "ask local\n└─ find file\n   ├─ scan file   · 9 in, 2 out, 1ms\n   │  ├─ in /etc/**\n   │  └─ stat  size > 1kB\n   └─ return path\nlooked at 9 files\n"
	if got := Plan(drawing, Options{}); got != drawing {
		t.Errorf("without colour: %q", got)
	}
	got := Plan(drawing, Options{Colour: true})
	if regexp.MustCompile(`\x1b\[[0-9]*m`).ReplaceAllString(got, "") != drawing {
		t.Errorf("colour changes what is said: %q", got)
	}
	want := "\x1b[1mask\x1b[0m local\n\x1b[2m└─ \x1b[0m\x1b[1mfind\x1b[0m file\n"
	if got[:len(want)] != want {
		t.Errorf("%q", got)
	}
	if !regexp.MustCompile(`\x1b\[36mstat\x1b\[0m  size`).MatchString(got) || !regexp.MustCompile(`   \x1b\[2m· 9 in`).MatchString(got) {
		t.Errorf("%q", got)
	}
}
