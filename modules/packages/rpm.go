package packages

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// skipRpm says that a host has a database of rpm, which is not read.
func skipRpm(f *hostfs.FS, skip func(modules.SkipKind, string, string)) {
	for _, dir := range []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"} {
		for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
			if f.Exists(dir + "/" + name) {
				skip(modules.SkipUnsupported, dir+"/"+name, "a database of rpm")
			}
		}
	}
}

func listRpm(l *lister) error {
	skipRpm(l.FS, l.Skip)
	return nil
}

func rpmPacked(c *crate) error {
	skipRpm(c.FS, c.skip)
	return nil
}
