package packages

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io"
	"runtime/debug"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// goPlaces are where programs are that no manager brought, and the others.
func goPlaces(f *hostfs.FS) []string {
	return append([]string{"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/opt/*/bin"}, inHomes(f, "/go/bin", "/.local/bin")...)
}

func listGo(l *lister) error {
	for _, dir := range places(l.FS, goPlaces(l.FS)) {
		for _, name := range l.FS.List(dir) {
			if err := l.Context().Err(); err != nil {
				return err
			}
			path := dir + "/" + name
			if st, err := l.FS.Lstat(path); err != nil || !st.Mode().IsRegular() {
				continue // a link is listed where it leads
			}
			if err := l.goProgram(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// goProgram lists the modules of Go that a program was built of, if it was.
func (l *lister) goProgram(path string) error {
	file, err := l.FS.Open(path)
	if err != nil {
		l.Fail(path, err)
		return nil
	}
	defer file.Close()
	info, err := readGo(file)
	if err != nil {
		l.Fail(path, err)
		return nil
	}
	if info == nil {
		return nil
	}
	for _, p := range goPackages(info) {
		p.path = path
		if err := l.give(&p); err != nil {
			return err
		}
	}
	return nil
}

// readGo reads the build information of an ELF program; nil is none. What has
// no section for it was not built by Go, or by one older than 1.13.
func readGo(r io.ReaderAt) (*debug.BuildInfo, error) {
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); n < len(magic) || string(magic[:]) != elf.ELFMAG {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	program, err := elf.NewFile(r)
	if err != nil {
		return nil, hostfs.ErrMalformed
	}
	if program.Section(".go.buildinfo") == nil {
		return nil, nil
	}
	info, err := buildinfo.Read(r)
	if err != nil {
		return nil, hostfs.ErrMalformed
	}
	return info, nil
}

// goPackages gives the program's own module, the standard library and what
// else is in it, as it was replaced.
func goPackages(info *debug.BuildInfo) []pkg {
	base := pkg{manager: "go", status: "installed", size: -1, scheme: value.Semver, source: info.Path}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" {
			base.arch = s.Value
		}
	}
	var all []pkg
	add := func(name, version string) {
		p := base
		if p.name, p.version = name, version; version == "(devel)" {
			p.version = "" // built from a folder of which nobody knows the version
		}
		if name != "" {
			all = append(all, p)
		}
	}
	add(info.Main.Path, info.Main.Version)
	version, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	add("stdlib", version)
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		add(d.Path, d.Version)
	}
	return all
}
