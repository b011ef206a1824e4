package packages

import (
	"archive/zip"
	"bytes"
	"io"
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// The bounds of what is looked at in a jar.
const (
	maxJarDepth  = 4         // jars inside jars: an ear holds wars, which hold jars
	maxJarInside = 128 << 20 // bytes of a jar inside another, which is held in memory
	maxJarFiles  = 1 << 18   // entries of one jar
	maxPom       = 64 << 10  // bytes of a pom.properties, which has three lines
)

// inside stands between the path of a jar and that of a file in it, as in
// module file.
const inside = "!/"

// jar lists the Maven artifacts that a jar, war or ear holds, also in those
// inside it. Anything else that a query names is none.
func (l *lister) jar(name string) error {
	file, err := l.FS.Open(name)
	if err != nil {
		l.Fail(name, err)
		return nil
	}
	defer file.Close()
	var magic [4]byte
	if n, _ := file.ReadAt(magic[:], 0); n < len(magic) || string(magic[:]) != "PK\x03\x04" {
		return nil
	}
	st, err := file.Stat()
	if err != nil {
		l.Fail(name, err)
		return nil
	}
	return l.jarIn(name, file, st.Size(), maxJarDepth)
}

func (l *lister) jarIn(name string, r io.ReaderAt, size int64, depth int) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		l.Skip(modules.SkipArchive, name, err.Error())
		return nil
	}
	if len(z.File) > maxJarFiles {
		l.Fail(name, hostfs.ErrTooLarge)
		return nil
	}
	for _, f := range z.File {
		if err := l.Context().Err(); err != nil {
			return err
		}
		if err := l.jarEntry(name, f, depth); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) jarEntry(name string, f *zip.File, depth int) error {
	at := name + inside + f.Name
	switch path.Ext(f.Name) {
	case ".jar", ".war", ".ear":
		text, ok := l.jarRead(at, f, maxJarInside)
		if !ok {
			return nil
		}
		if depth == 0 {
			l.Fail(at, hostfs.ErrTooLarge)
			return nil
		}
		return l.jarIn(at, bytes.NewReader(text), int64(len(text)), depth-1)
	}
	if ok, _ := path.Match("META-INF/maven/*/*/pom.properties", f.Name); !ok {
		return nil
	}
	text, ok := l.jarRead(at, f, maxPom)
	if !ok {
		return nil
	}
	p, ok := parsePom(text)
	if !ok {
		l.Fail(at, hostfs.ErrMalformed)
		return nil
	}
	p.path, p.source = name, path.Base(name)
	return l.give(&p)
}

// jarRead reads an entry up to a bound.
func (l *lister) jarRead(at string, f *zip.File, limit int64) ([]byte, bool) {
	r, err := f.Open()
	if err != nil {
		l.Skip(modules.SkipArchive, at, err.Error())
		return nil, false
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		l.Skip(modules.SkipArchive, at, err.Error())
		return nil, false
	}
	if int64(len(text)) > limit {
		l.Fail(at, hostfs.ErrTooLarge)
		return nil, false
	}
	return text, true
}

// parsePom reads a pom.properties, which Maven puts into what it builds.
func parsePom(text []byte) (pkg, bool) {
	p := pkg{manager: "java", status: "installed", size: -1, scheme: value.AnyScheme}
	group, artifact := "", ""
	for _, line := range table.Lines(text) {
		name, v, _ := strings.Cut(line, "=")
		v = strings.TrimSpace(v)
		switch strings.TrimSpace(name) {
		case "groupId":
			group = v
		case "artifactId":
			artifact = v
		case "version":
			p.version = v
		}
	}
	p.name = group + ":" + artifact
	return p, group != "" && artifact != ""
}
