// Package network is the modules about how a host is connected: sockets,
// interfaces, neighbours, routes, resolvers and the packet filter.
//
// [Modules] gives them. On a live Linux machine the kernel is asked over
// netlink and /proc, on Windows the IP helper and on macOS sysctl, and nothing
// is sent to anybody; in a tree everything comes out of its files. The package must not be used to reach another host.
package network

import "github.com/quaestor-engine/quaestor/modules"

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{dns(), firewall(), interfaces(), interfaceAddresses(), neighbours(), routes(), sockets()}
}
