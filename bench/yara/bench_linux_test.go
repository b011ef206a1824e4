package main

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/yara"
)

// BenchmarkCompile compiles a thousand rules.
func BenchmarkCompile(b *testing.B) {
	src := yara.Source{Name: "rules", Text: rulesOf(1000, 1)}
	for b.Loop() {
		if _, err := yara.Compile(src, yara.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
