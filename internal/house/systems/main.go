// Command systems checks the types of every package, tests included, for each
// system that releases are made for. It reads the source of what is imported,
// which takes a tenth of compiling it for six systems. It is no test, since go
// test would keep its answer while the source changes.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

// systems are those that releases are made for.
var systems = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// modules are the folders of the Go modules that are to be right on each.
var modules = []string{".", "docs/examples/module"}

func main() {
	wrong := false
	for _, system := range systems {
		for _, module := range modules {
			mistakes, err := check(module, system)
			if err != nil {
				mistakes = []string{err.Error()}
			}
			for _, m := range mistakes {
				fmt.Fprintf(os.Stderr, "%s: %s\n", system, m)
				wrong = true
			}
		}
	}
	if wrong {
		os.Exit(1)
	}
}

// check says what is wrong in the module of a folder on a system.
func check(folder, system string) (mistakes []string, err error) {
	goos, goarch, _ := strings.Cut(system, "/")
	found, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax &^ packages.NeedTypesInfo,
		Dir:   folder,
		Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
		Tests: true,
	}, "./...")
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", folder, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no package", folder)
	}
	for _, p := range found {
		for _, e := range p.Errors {
			mistakes = append(mistakes, e.Error())
		}
	}
	return mistakes, nil
}
