package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// thirdParty is the page of all licences, in the root of the repository.
const thirdParty = "THIRD_PARTY.md"

// allowed are the licences whose code may be linked. None of them asks more
// than that its text travels along; MPL-2.0 that who changes a file of such a
// module gives the change away, and none is changed here.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0"}

// judged are the texts that no program can classify and that a person read:
// lists of what else lies in a module. Another text in their place, known by
// its SHA-256, has to be read again.
var judged = map[string]string{
	// libc, LICENSE-3RD-PARTY.md: Go, musl and two more.
	"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c": "BSD-3-Clause AND MIT",
	// sqlite, LICENSE-3RD-PARTY.md: its first part is of what is linked; MPL-2.0 is of what its tests use.
	"4194f8e7119be72babd499db4f6f1f7547e36e8a7bffcb2b9c8df241b8f1576a": "BSD-3-Clause AND MIT AND blessing",
	// sqlite, LICENSE-SQLITE: the public domain, which SPDX calls a blessing.
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": "blessing",
	// psx, License: one of BSD-3-Clause and GPL-2.0, as its user chooses.
	"279fa656c62857d42952b86a0789b98669ca1cb4b324a8d9e91397c174af4c14": "BSD-3-Clause",
	// memory, LICENSE-LOGO: where a picture came from. No program has it.
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": "",
}

var (
	// ErrLicence says that a dependency may not be linked.
	ErrLicence = errors.New("licence")
	// ErrStale says that the page of licences is not what it would be now.
	ErrStale = errors.New("stale")
)

// A dependency is a Go module that some program of ours links.
type dependency struct {
	Path, Version, Dir string
	licence            string // by its SPDX name; several are joined by AND
	texts              []licenceText
}

type licenceText struct {
	file string
	text []byte
}

// licences writes the page anew, or says that it is stale.
func licences(ctx context.Context, root string, write bool) error {
	list, err := dependencies(ctx, root)
	if err != nil {
		return err
	}
	want := page(list)
	name := filepath.Join(root, thirdParty)
	if write {
		return os.WriteFile(name, want, 0o644)
	}
	have, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%w: %s is not what the dependencies are now\nhint: make licences", ErrStale, thirdParty)
	}
	return nil
}

// dependencies lists what the programs link on any system, Go itself first.
func dependencies(ctx context.Context, root string) ([]*dependency, error) {
	found := map[string]*dependency{}
	for _, s := range everySystem {
		system, arch, _ := strings.Cut(s, "/")
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", "./cmd/...")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=", "GOWORK=off")
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", s, err)
		}
		for d := json.NewDecoder(bytes.NewReader(text)); ; {
			var p struct {
				Module *struct {
					dependency
					Main bool
				}
			}
			if err := d.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				found[p.Module.Path] = &p.Module.dependency
			}
		}
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	found["std"] = &dependency{Path: "std", Dir: strings.TrimSpace(string(goroot))}
	list := slices.SortedFunc(maps.Values(found), func(a, b *dependency) int { return strings.Compare(a.Path, b.Path) })
	var errs []error
	for _, d := range list {
		errs = append(errs, d.read())
	}
	return list, errors.Join(errs...)
}

var licenceFile = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice)([-._].*)?$`)

// read finds the texts in the folder of a module and says what they are.
func (d *dependency) read() error {
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(d.Dir, e.Name()))
		if err != nil {
			return err
		}
		d.texts = append(d.texts, licenceText{e.Name(), text})
		if strings.HasPrefix(strings.ToLower(e.Name()), "notice") {
			continue // it says who, not under which terms
		}
		name, err := classify(text)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", d.Path, e.Name(), err)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: %s has no file that says its terms", ErrLicence, d.Path)
	}
	d.licence = all(names)
	return nil
}

// all joins names of licences that hold together.
func all(names []string) string {
	names = slices.DeleteFunc(strings.Split(strings.Join(names, " AND "), " AND "), func(n string) bool { return n == "" })
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " AND ")
}

// covered is how much of a text must be known words of licences, in percent.
// The rest is names and years; a clause that somebody added is longer.
const covered = 75

// classify gives the licences of a text. Any that is not allowed is an error,
// as is a text that says more than the licences that were recognised.
func classify(text []byte) (string, error) {
	if name, ok := judged[fmt.Sprintf("%x", sha256.Sum256(text))]; ok {
		return name, nil
	}
	c := licensecheck.Scan(text)
	var names []string
	for _, m := range c.Match {
		if m.IsURL {
			continue
		}
		if !slices.Contains(allowed, m.ID) {
			return "", fmt.Errorf("%w: %s is none of %s", ErrLicence, m.ID, strings.Join(allowed, ", "))
		}
		names = append(names, m.ID)
	}
	if len(names) == 0 || c.Percent < covered {
		return "", fmt.Errorf("%w: %.0f %% of the text is of licences that are known, and %d %% should be", ErrLicence, c.Percent, covered)
	}
	return all(names), nil
}

// page writes the list, and each text once. Versions stay away: they change
// more often than terms, and the lists of a release's parts have them.
func page(list []*dependency) []byte {
	var b, texts bytes.Buffer
	b.WriteString("# What Quaestor is made with\n\nThe programs link these, and owe each its words. `make licences` prints this page; a licence that is not allowed fails it.\n\n| module | licence | text |\n|---|---|---|\n")
	numbers := map[string]int{}
	for _, d := range list {
		var refs []string
		for _, t := range d.texts {
			key := string(bytes.TrimSpace(bytes.ReplaceAll(t.text, []byte("\r\n"), []byte("\n"))))
			n, seen := numbers[key]
			if !seen {
				n = len(numbers) + 1
				numbers[key] = n
				fmt.Fprintf(&texts, "\n## Text %d\n\n~~~text\n%s\n~~~\n", n, key)
			}
			refs = append(refs, fmt.Sprintf("[%d](#text-%d)", n, n))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", d.Path, d.licence, strings.Join(refs, ", "))
	}
	b.Write(texts.Bytes())
	return b.Bytes()
}
