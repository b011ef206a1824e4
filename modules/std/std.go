// Package std lists the modules that come with Quaestor.
//
// [Modules] gives them to a program, which may add its own and makes a
// modules.Catalogue of them. The package holds the list and nothing else.
package std

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
)

// Modules gives a new list of the modules, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{
		file.New(),
		host.New(),
	}
}
