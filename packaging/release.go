package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// everySystem is what a release is made for.
var everySystem = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// commands are the programs of a release.
var commands = []string{"quaestor", "quaestor-agent", "quaestor-relay"}

// A release is what is to be made, and where.
type release struct {
	version string // without the v
	root    string // the repository
	out     string
	systems []string // as linux/amd64

	manuals map[string][]byte // of a command, its page; printed once
}

// A build is the programs of one system, with what the compiler wrote into
// them.
type build struct {
	system, arch string
	files        map[string]string // of a command, the path
	info         map[string]*buildinfo.BuildInfo
	at           time.Time // when the commit was made: the time of all files
}

// ErrNotTagged says that what was compiled is not what the version says.
var ErrNotTagged = errors.New("the commit is not the version")

var versions = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9a-z.]+)?$`)

// make makes everything, and tells of each file.
func (r *release) make(ctx context.Context, out io.Writer) error {
	if !versions.MatchString(r.version) {
		return fmt.Errorf("%q is no version\nhint: -version 1.2.0", r.version)
	}
	if err := licences(ctx, r.root, false); err != nil {
		return err
	}
	if list, err := os.ReadDir(r.out); err == nil && len(list) > 0 {
		return fmt.Errorf("%s is not empty: what lies there would get into the checksums", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, s := range r.systems {
		b, err := r.build(ctx, s)
		if err != nil {
			return err
		}
		for _, step := range []func(*build) error{r.printManuals, r.sbom, r.archive, r.packages, r.pkg} {
			if err := step(b); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		fmt.Fprintf(out, "made %s\n", s)
	}
	return writeSums(r.out)
}

// build compiles for one system. The flags are all that a build that is to
// give the same bytes needs to know.
func (r *release) build(ctx context.Context, on string) (*build, error) {
	system, arch, ok := strings.Cut(on, "/")
	if !ok || !slices.Contains(everySystem, on) {
		return nil, fmt.Errorf("%q is none of %s", on, strings.Join(everySystem, ", "))
	}
	b := &build{system: system, arch: arch, files: map[string]string{}, info: map[string]*buildinfo.BuildInfo{}}
	for _, c := range commands {
		name := filepath.Join(r.out, c+"_"+r.version+"_"+system+"_"+arch+b.ext())
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", name, "./cmd/"+c)
		cmd.Dir = r.root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "GOEXPERIMENT=")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s for %s: %w\n%s", c, on, err, text)
		}
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if info.Main.Version != "v"+r.version {
			return nil, fmt.Errorf("%w: %s was compiled as %s, not as v%s\nhint: git checkout v%s, with nothing changed and nothing added",
				ErrNotTagged, c, info.Main.Version, r.version, r.version)
		}
		b.files[c], b.info[c] = name, info
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if b.at, err = time.Parse(time.RFC3339, s.Value); err != nil {
					return nil, err
				}
			}
		}
	}
	return b, nil
}

// printManuals has the commands print their pages, which are the same on every
// system: those of the first build where it runs here, and else what go run
// makes of them.
func (r *release) printManuals(b *build) error {
	if r.manuals != nil {
		return nil
	}
	r.manuals = map[string][]byte{}
	for _, c := range commands {
		cmd := exec.Command(b.files[c], "--man")
		if b.system != runtime.GOOS || b.arch != runtime.GOARCH {
			cmd = exec.Command("go", "run", "./cmd/"+c, "--man")
			cmd.Dir = r.root
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=", "GOFLAGS=", "GOWORK=off")
		}
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("the manual page of %s: %w", c, err)
		}
		r.manuals[c] = text
	}
	return nil
}

// manual is the name of the page of a command, below a folder of pages: its
// first line says in which section it is.
func (r *release) manual(command string) string {
	section := "1"
	if f := strings.Fields(string(r.manuals[command])); len(f) > 2 && f[0] == ".TH" {
		section = f[2]
	}
	return "man" + section + "/" + command + "." + section
}

func (b *build) ext() string {
	if b.system == "windows" {
		return ".exe"
	}
	return ""
}

// name is the file that holds all for a system, without its ending.
func (r *release) name(b *build) string {
	return filepath.Join(r.out, "quaestor_"+r.version+"_"+b.system+"_"+b.arch)
}
