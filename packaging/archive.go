package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
)

// A file is one that goes into an archive: its name there, and what it holds.
type file struct {
	name string
	mode int64
	text []byte
}

// archive packs the programs with their papers: a zip for Windows, and else
// tar.gz. All times are that of the commit, and nobody owns anything.
func (r *release) archive(b *build) error {
	var list []file
	for _, c := range commands {
		f, err := fileFrom(c+b.ext(), 0o755, b.files[c])
		if err != nil {
			return err
		}
		list = append(list, f)
		if b.system != "windows" {
			list = append(list, file{"man/" + r.manual(c), 0o644, r.manuals[c]})
		}
	}
	papers, err := r.papers(b)
	if err != nil {
		return err
	}
	list = append(list, papers...)
	if b.system == "windows" {
		return writeZip(r.name(b)+".zip", list, b.at)
	}
	return writeTar(r.name(b)+".tar.gz", list, b.at)
}

// papers are what goes along with every program.
func (r *release) papers(b *build) ([]file, error) {
	var list []file
	for _, p := range []struct{ name, path string }{
		{"LICENSE", filepath.Join(r.root, "LICENSE")},
		{thirdParty, filepath.Join(r.root, thirdParty)},
		{"CHANGELOG.md", filepath.Join(r.root, "CHANGELOG.md")},
		{"sbom.cdx.json", r.name(b) + ".cdx.json"},
	} {
		f, err := fileFrom(p.name, 0o644, p.path)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// pkg lays out what pkgbuild of macOS makes a package of: the tree, and the
// script that has launchd read the job. Making the package, and signing it, is
// for a Mac.
func (r *release) pkg(b *build) error {
	if b.system != "darwin" {
		return nil
	}
	job, err := agent.Service{Program: "/usr/local/bin/quaestor-agent", Dir: "/var/db/quaestor-agent"}.File("darwin")
	if err != nil {
		return err
	}
	program, err := fileFrom("root/usr/local/bin/quaestor-agent", 0o755, b.files["quaestor-agent"])
	if err != nil {
		return err
	}
	script, err := scripts.ReadFile("files/pkg-postinstall.sh")
	if err != nil {
		return err
	}
	list := []file{
		program,
		{"root" + job.Path, 0o644, []byte(job.Text)},
		{"scripts/postinstall", 0o755, script},
		{"make", 0o755, []byte("#!/bin/sh\nexec pkgbuild --root root --scripts scripts --identifier org.quaestor.agent --version " + r.version + " --ownership recommended quaestor-agent.pkg\n")},
	}
	return writeTar(filepath.Join(r.out, "quaestor-agent_"+r.version+"_darwin_"+b.arch+".pkg-layout.tar.gz"), list, b.at)
}

// fileFrom gives what a file on disk is to be called in an archive, and its bytes.
func fileFrom(name string, mode int64, path string) (file, error) {
	text, err := os.ReadFile(path)
	return file{name, mode, text}, err
}

func writeTar(name string, list []file, at time.Time) error {
	return create(name, func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		t := tar.NewWriter(z)
		for _, f := range list {
			if err := t.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text)), ModTime: at, Format: tar.FormatPAX}); err != nil {
				return err
			}
			if _, err := t.Write(f.text); err != nil {
				return err
			}
		}
		if err := t.Close(); err != nil {
			return err
		}
		return z.Close()
	})
}

func writeZip(name string, list []file, at time.Time) error {
	return create(name, func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, f := range list {
			to, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at.UTC()})
			if err != nil {
				return err
			}
			if _, err := to.Write(f.text); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
