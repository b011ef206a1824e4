// Package records is the modules that read structured files as rows: lines,
// logs, JSON, YAML, XML, property lists, CSV, INI and SQLite.
//
// [Modules] gives them. Each is told by globs which files to read, and reads
// also what is compressed. A file that is not in its format is named and gives
// no rows. The package must not be used to search many files for a text:
// module file does that without making rows.
package records

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file/unpack"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{csvModule(), iniModule(), jsonModule(), lineModule(), logModule(), plistModule(), sqliteModule(), xmlModule(), yamlModule()}
}

// Bounds of what is read.
const (
	maxLine     = 1 << 20  // bytes of a line
	maxDocument = 64 << 20 // bytes of a file of JSON or CSV
	maxYAML     = 1 << 20  // bytes of a file of YAML, whose tree is held: a node has 200
	maxLeaves   = 1 << 20  // values of a file of YAML, which anchors multiply
	maxNesting  = 200      // levels of a document
	maxPointer  = 4 << 10  // bytes of a pointer into one
)

// places is the locator of the modules: globs of paths.
func places(use modules.LocatorUse, example string) modules.Locator {
	return modules.Locator{Use: use, Column: "path", Doc: "globs of paths; a directory means the files in it and below", Example: example}
}

// open opens a file, and decompresses it where it is compressed.
func open(s *table.Scan, name string) (io.Reader, io.Closer, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(f, 64<<10)
	head, err := r.Peek(512)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, nil, err
	}
	if format := unpack.Detect(head); format.Compressed() {
		plain, err := unpack.NewReader(r, format, unpack.NewBudget())
		if err != nil {
			f.Close()
			return nil, nil, err
		}
		return plain, f, nil
	}
	return r, f, nil
}

// eachLine calls yield for each line of a file without its end, with its
// number from 1. A line that is too long is reported, and its beginning is
// given.
func eachLine(s *table.Scan, name string, yield func(n int64, line []byte) error) error {
	r, c, err := open(s, name)
	if err != nil {
		s.Fail(name, err)
		return nil
	}
	defer c.Close()
	lines := bufio.NewReaderSize(r, maxLine)
	for n := int64(1); ; n++ {
		if n%4096 == 0 && s.Context().Err() != nil {
			return s.Context().Err()
		}
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			s.Fail(fmt.Sprintf("%s:%d", name, n), hostfs.ErrTooLarge)
			line = bytes.Clone(line)
			for err == bufio.ErrBufferFull && s.Context().Err() == nil {
				_, err = lines.ReadSlice('\n')
			}
			if s.Context().Err() != nil {
				return s.Context().Err()
			}
		}
		if len(line) > 0 {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if err := yield(n, line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			s.Fail(name, err)
			return nil
		}
	}
}
