// Package std lists the modules that come with Quaestor.
//
// [Modules] gives them to a program, which may add its own and makes a
// modules.Catalogue of them. The package holds the list and nothing else.
package std

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/binary"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/modules/machine"
	"github.com/quaestor-engine/quaestor/modules/macos"
	"github.com/quaestor-engine/quaestor/modules/network"
	"github.com/quaestor-engine/quaestor/modules/packages"
	"github.com/quaestor-engine/quaestor/modules/persistence"
	"github.com/quaestor-engine/quaestor/modules/probe"
	"github.com/quaestor-engine/quaestor/modules/process"
	"github.com/quaestor-engine/quaestor/modules/records"
	"github.com/quaestor-engine/quaestor/modules/self"
	"github.com/quaestor-engine/quaestor/modules/windows"
)

// Modules gives a new list of the modules, in alphabetical order.
func Modules() []modules.Module {
	list := slices.Concat(
		[]modules.Module{file.New(), host.New()},
		account.Modules(),
		binary.Modules(),
		machine.Modules(),
		macos.Modules(),
		network.Modules(),
		packages.Modules(),
		persistence.Modules(),
		probe.Modules(),
		process.Modules(),
		records.Modules(),
		self.Modules(),
		windows.Modules(),
	)
	slices.SortFunc(list, func(a, b modules.Module) int { return strings.Compare(a.Schema().Name, b.Schema().Name) })
	return list
}
