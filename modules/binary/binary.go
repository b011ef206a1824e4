// Package binary is the modules about programs and libraries as files: ELF,
// PE and Mach-O.
//
// [Modules] gives them. Each is told by globs which files to look at; a file
// of another format is passed over, and one that is malformed is named. They
// say what a file claims to be, and verify no signature.
package binary

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{elfModule(), machoModule(), peModule()}
}

// Bounds of what is looked at.
const (
	maxFile  = 2 << 30 // bytes of a file
	maxNames = 1 << 16 // names in a list, such as imports
)

// A program is a file in one of the formats, F.
type program[F any] struct {
	path   string
	file   *os.File
	size   int64
	format *F
	build  func() (*buildinfo.BuildInfo, error)
}

// schema makes that of a module of files.
func schema(name, doc, example string) modules.Schema {
	return modules.Schema{Name: name, Doc: doc, Key: "path", Locator: modules.Locator{
		Use: modules.LocatorRequired, Column: "path", Doc: "globs of paths; a directory means the files in it and below", Example: example,
	}}
}

// programs makes the lister of a format: magic says whether a file is of it.
func programs[F any](magic func(head []byte) bool, open func(*io.SectionReader) (*F, error)) table.Lister[program[F]] {
	return func(s *table.Scan, yield func(*program[F]) error) error {
		return s.Files(func(name string) error {
			f, err := s.FS.Open(name)
			if err != nil {
				s.Fail(name, err)
				return nil
			}
			defer f.Close()
			p, err := read(f, magic, open)
			if err != nil {
				s.Fail(name, err)
			}
			if p == nil || err != nil {
				return nil
			}
			p.path = name
			return yield(p)
		})
	}
}

// read parses a file; nil for one of another format.
func read[F any](f *os.File, magic func([]byte) bool, open func(*io.SectionReader) (*F, error)) (*program[F], error) {
	head := make([]byte, 4)
	if _, err := f.ReadAt(head, 0); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if !magic(head) {
		return nil, nil
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxFile {
		return nil, hostfs.ErrTooLarge
	}
	at := io.NewSectionReader(f, 0, st.Size())
	format, err := open(at)
	if errors.Is(err, errOther) {
		return nil, nil
	}
	if err != nil {
		return nil, malformed(err)
	}
	return &program[F]{file: f, size: st.Size(), format: format, build: func() (*buildinfo.BuildInfo, error) { return buildinfo.Read(at) }}, nil
}

// errOther says that a file which begins as one of the format is of another.
var errOther = errors.New("of another format")

// errShort says that a file ends too soon.
var errShort = errors.New("it ends before what its headers name")

// malformed says that a file is not in its format, and how.
func malformed(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errShort
	}
	return fmt.Errorf("%w: %w", hostfs.ErrMalformed, err)
}

// goColumns are what the Go tool writes into programs.
func goColumns[F any]() []table.Column[program[F]] {
	column := func(name, doc string, get func(*buildinfo.BuildInfo) string) table.Column[program[F]] {
		return table.Computed(name, value.Text, doc, func(_ *table.Scan, p *program[F]) (value.Value, error) {
			info, err := p.build()
			if err != nil {
				return value.Value{}, nil // it was not made by Go
			}
			return table.TextOf(get(info)), nil
		}).Costs(modules.Read)
	}
	return []table.Column[program[F]]{
		column("go_version", "The version of Go that made it; null for programs of others.", func(i *buildinfo.BuildInfo) string { return i.GoVersion }),
		column("go_package", "The package of Go that it is the program of.", func(i *buildinfo.BuildInfo) string { return i.Path }),
		column("go_module", "The module of that package, with its version.", func(i *buildinfo.BuildInfo) string {
			if i.Main.Path == "" {
				return ""
			}
			return i.Main.Path + "@" + i.Main.Version
		}),
	}
}

// once makes a function that reads something when it is first called. An error
// is given to the first who asks, and reported by him; after that there is
// nothing.
func once[T any](read func() (T, error)) func() (T, error) {
	var kept T
	known := false
	return func() (T, error) {
		if known {
			return kept, nil
		}
		known = true
		v, err := read()
		if err == nil {
			kept = v
		}
		return kept, err
	}
}

// bounded cuts a list of names that is longer than anybody reads.
func bounded(names []string) ([]string, error) {
	if len(names) > maxNames {
		return nil, hostfs.ErrTooLarge
	}
	return names, nil
}

// texts makes a value of a list of names, or of why there is none.
func texts(names []string, err error) (value.Value, error) {
	if err == nil {
		names, err = bounded(names)
	}
	if err != nil {
		return value.Value{}, err
	}
	return table.ListOf(names, value.NewText), nil
}

// text gives a text that ends at the first zero.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
