package file

import (
	"sync"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/packages"
	"github.com/quaestor-engine/quaestor/value"
)

// packagesOf is the key under which a run remembers who brought which file of
// a host.
type packagesOf struct{ root string }

// broughtBy gives the package of the entry. What lies in an archive was
// brought by nobody but who packed it.
func (r *row) broughtBy() value.Value {
	if r.e.within != "" {
		return value.Value{}
	}
	owners := r.req.brings()
	if owners == nil {
		return value.Value{} // they are not known, which was reported
	}
	if id, ok := owners.Package(string(r.fullPath())); ok {
		return value.NewText(id)
	}
	return value.Value{}
}

// rememberOwners makes the function that says who brought files. They are read
// when the first row asks, once for each run.
func rememberOwners(req *request) func() *packages.Owners {
	return sync.OnceValue(func() *packages.Owners {
		return req.Memory.Get(packagesOf{req.Host.Root}, func() any { return loadOwners(req) }).(*packages.Owners)
	})
}

// loadOwners reads who brought the files of a host. That this is not known is
// reported, once for each run.
func loadOwners(req *request) *packages.Owners {
	f, err := hostfs.Open(req.Host, req.Report)
	if err != nil {
		req.Report.Skip(hostfs.SkipOf("packages", err))
		return nil
	}
	defer f.Close()
	owners, err := packages.LoadOwners(f)
	if err != nil {
		f.Fail("packages", err)
		return nil
	}
	return owners
}
