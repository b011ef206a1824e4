package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // each puts itself into nfpm's table
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"

	"github.com/quaestor-engine/quaestor/agent"
)

//go:embed files
var scripts embed.FS

// formats are the packages of Linux, as nfpm calls them.
var formats = []string{"deb", "rpm", "apk", "archlinux"}

const (
	maintainer = "The Quaestor authors <quaestor@quaestor.example>"
	homepage   = "https://github.com/quaestor-engine/quaestor"
)

// A part is what one package is about: a program, what it is, and what else
// belongs to it.
type part struct {
	program, summary, about string
	unit                    string // of systemd; "" where nothing runs by itself
	state                   string // the folder that a purge takes away
	owner                   string // of that folder
}

// parts are the packages. The unit of the agent is the one that it installs
// itself where it came without a package.
func parts() ([]part, error) {
	service, err := agent.Service{Program: "/usr/bin/quaestor-agent", Dir: "/var/lib/quaestor-agent"}.File("linux")
	if err != nil {
		return nil, err
	}
	relay, err := scripts.ReadFile("files/quaestor-relay.service")
	return []part{
		{program: "quaestor", summary: "asks many machines by signed questions", about: "The investigator's command: it writes, signs and asks questions, and opens\nthe answers. It asks this machine, too, without any fleet."},
		{program: "quaestor-agent", summary: "answers signed questions about this machine", about: "It listens on no port. It does nothing before it was enrolled with a token,\nand then only what the policy of the fleet allows.",
			unit: service.Text, state: "/var/lib/quaestor-agent", owner: "root"},
		{program: "quaestor-relay", summary: "carries signed questions and sealed answers", about: "It is trusted with nothing: it can neither ask, nor read, nor change what it\ncarries.",
			unit: string(relay), state: "/var/lib/quaestor-relay", owner: "quaestor-relay"},
	}, err
}

// packages makes the packages of Linux.
func (r *release) packages(b *build) error {
	if b.system != "linux" {
		return nil
	}
	list, err := parts()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "quaestor-packaging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, p := range list {
		for _, format := range formats {
			if err := r.packageOf(b, p, format, filepath.Join(dir, p.program+"-"+format)); err != nil {
				return fmt.Errorf("%s as %s: %w", p.program, format, err)
			}
		}
	}
	return nil
}

// packageOf makes one package. What nfpm wants to read from files lies in a
// temporary folder.
func (r *release) packageOf(b *build, p part, format, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	contents, err := r.contents(b, p, format, dir)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.program, Arch: b.arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "admin", Priority: "optional", Maintainer: maintainer, Homepage: homepage, License: "Apache-2.0",
		Description: p.summary + "\n" + p.about, MTime: b.at, DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: contents,
			RPM:      nfpm.RPM{BuildHost: "localhost", Summary: p.summary, Group: "Applications/System"},
		},
	})
	if p.unit != "" {
		if info.Scripts, err = writeScripts(p, format, dir, b.at); err != nil {
			return err
		}
		// Of Arch alone an upgrade does not run what an installation does.
		info.ArchLinux.Scripts.PostUpgrade = info.Scripts.PostInstall
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	return create(filepath.Join(r.out, packager.ConventionalFileName(info)), func(w io.Writer) error { return packager.Package(info, w) })
}

// contents lists what a package holds.
func (r *release) contents(b *build, p part, format, dir string) (files.Contents, error) {
	papers := "/usr/share/doc/" + p.program + "/"
	texts := []file{
		{papers + thirdParty, 0o644, nil},
		{papers + "sbom.cdx.json", 0o644, nil},
		{papers + "copyright", 0o644, nil},
	}
	page, err := squeeze(string(r.manuals[p.program]))
	if err != nil {
		return nil, err
	}
	texts = append(texts, file{"/usr/share/man/" + r.manual(p.program) + ".gz", 0o644, page})
	for i, path := range []string{filepath.Join(r.root, thirdParty), r.name(b) + ".cdx.json", filepath.Join(r.root, "LICENSE")} {
		if texts[i].text, err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	if format == "deb" {
		texts[2].text = fmt.Appendf(nil, debCopyright, homepage)
		log, err := squeeze(fmt.Sprintf("%s (%s) stable; urgency=medium\n\n  * What changed: %s/blob/v%s/CHANGELOG.md\n\n -- %s  %s\n",
			p.program, r.version, homepage, r.version, maintainer, b.at.UTC().Format(time.RFC1123Z)))
		if err != nil {
			return nil, err
		}
		texts = append(texts, file{papers + "changelog.Debian.gz", 0o644, log},
			file{"/usr/share/lintian/overrides/" + p.program, 0o644, []byte(strings.ReplaceAll(lintianOverrides, "PACKAGE", p.program))})
	}
	if p.unit != "" {
		texts = append(texts, file{"/usr/lib/systemd/system/" + p.program + ".service", 0o644, []byte(p.unit)})
	}
	at := func(mode os.FileMode) *files.ContentFileInfo {
		return &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: b.at}
	}
	list := files.Contents{{Source: b.files[p.program], Destination: "/usr/bin/" + p.program, FileInfo: at(0o755)}}
	for i, t := range texts {
		source := filepath.Join(dir, fmt.Sprint("text", i))
		if err := os.WriteFile(source, t.text, 0o644); err != nil {
			return nil, err
		}
		list = append(list, &files.Content{Source: source, Destination: t.name, FileInfo: at(os.FileMode(t.mode))})
	}
	return list, nil
}

// writeScripts fills in the scripts of a package.
func writeScripts(p part, format, dir string, at time.Time) (nfpm.Scripts, error) {
	var s nfpm.Scripts
	for name, to := range map[string]*string{"install": &s.PostInstall, "remove": &s.PreRemove, "removed": &s.PostRemove} {
		text, err := scripts.ReadFile("files/" + name + ".sh")
		if err != nil {
			return s, err
		}
		text = []byte(strings.NewReplacer("@PROGRAM@", p.program, "@STATE@", p.state, "@OWNER@", p.owner, "@FORMAT@", format).Replace(string(text)))
		if format == "apk" && name != "install" {
			continue // there is no systemd to tell, and nfpm writes several in no order
		}
		*to = filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(*to, text, 0o755), os.Chtimes(*to, at, at)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// squeeze is gzip without a time.
func squeeze(text string) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

const debCopyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: quaestor
Source: %s

Files: *
Copyright: the Quaestor authors
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
 The terms of what is linked stand in THIRD_PARTY.md beside this file.
`

// A program of Go is one static file.
const lintianOverrides = `PACKAGE: statically-linked-binary
`
