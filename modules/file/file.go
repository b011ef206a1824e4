// Package file is the module that finds files, by their names, attributes and
// content.
//
// [New] makes it; its rows are modules.Asker and modules.Liner, and it is a
// modules.Sharer. It must not be used to read a file that a person names for
// another purpose: what it opens it opens as a scan, bounded and counted.
//
// A scan goes from the literal fronts of its locators. A front is resolved
// through symbolic links, within Host.Root, and shown as it was written; below
// it links are links, unless Settings.FollowLinks. Each file comes once for
// each request, however many of its locators lead there. Fronts that lie below
// one another are served by one walk, of one request or of several: each
// directory is listed once, each file's attributes are asked once, and one
// that fits a buffer is read once.
//
// Workers share the work by directory: each has a stack of its own, of which
// it gives the upper half away when another one has nothing to do, or failing
// that half of the listing that it is at. A worker has one buffer for
// listings and one for content, and allocates nothing for a file.
//
// A line ends before "\n" or "\r\n" or at the end of the content; it is asked
// and shown without that end. A question about content that was answered
// while the file changed counts as answered and is reported as
// modules.SkipChanged.
package file

import (
	"context"

	"github.com/quaestor-engine/quaestor/modules"
)

// New makes the module.
func New() modules.Module {
	return &module{schema: modules.Schema{
		Name:    "file",
		Doc:     "files, directories and whatever else has a path",
		Columns: columns(),
		Key:     "path",
		Locator: modules.Locator{
			Use: modules.LocatorRequired, Column: "path", Dir: "dir",
			Doc:     "absolute paths with * within one level, ** over any, ?, [a-z] and {a,b}; a directory without any of them means itself and everything under it",
			Example: "/home/**/.ssh/authorized_keys",
		},
		Content: true,
		Watch:   []string{"linux"},
	}}
}

type module struct {
	schema   modules.Schema
	portable bool // package os instead of own system calls
}

// Schema describes the relation.
func (m *module) Schema() *modules.Schema { return &m.schema }

// Scan calls yield for each file that the request locates.
func (m *module) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	s, err := prepare([]*modules.Request{req}, m.portable, func(_ int, row modules.Row) error { return yield(row) })
	if err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	if s.enough {
		return modules.ErrEnough
	}
	return nil
}

// ScanShared does the scans of several requests in one walk.
func (m *module) ScanShared(ctx context.Context, reqs []*modules.Request, yield func(int, modules.Row) error) error {
	if len(reqs) == 0 {
		return nil
	}
	s, err := prepare(reqs, m.portable, yield)
	if err != nil {
		return err
	}
	return s.run(ctx)
}
