// Package windows is the modules about what Windows alone has: its registry,
// services, scheduled tasks, event logs and the traces of programs that ran.
//
// [Modules] gives them. They read files, so that an image of Windows that is
// mounted anywhere answers like a machine that runs it; on a live Windows the
// registry is asked through its own interface, since its files are locked. The
// formats stand in packages of their own below this one. What a trace means is
// not for the package to say, and it runs nothing.
package windows

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{eventlogModule(), prefetchModule(), registryModule(), taskModule(), serviceModule()}
}

// withRegistry calls list with the host's registry. Where there is none, a
// live machine of another system says so; a tree without one holds nothing.
func withRegistry(s *table.Scan, module string, list func(*registry.Registry) error) error {
	reg := registry.Open(s.FS)
	defer reg.Close()
	if !reg.There() {
		if s.FS.Live() {
			s.Skip(modules.SkipUnsupported, module, "there is no Windows registry on this system")
		}
		return nil
	}
	return list(reg)
}
