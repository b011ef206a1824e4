// Package packages is the modules about what package managers put on a host,
// as their own databases tell it.
//
// [Modules] gives them. Each manager is a [manager] with a lister of its own,
// and each format a parser over bytes in a file of its own. The databases say
// what was installed, not what is there now: a file that nobody's package
// brought is looked for with module file, one that was changed since with
// module verify. Nothing here asks a manager's own programs.
package packages

import "github.com/quaestor-engine/quaestor/modules"

// Modules gives the modules of this package.
func Modules() []modules.Module {
	return []modules.Module{packageModule(), packageFileModule(), repositories(), verifyModule()}
}
