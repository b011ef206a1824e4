//go:build !linux

package network

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// liveFirewall is for Linux.
func liveFirewall(s *table.Scan, _ func(*filterRule) error) error {
	s.Skip(modules.SkipUnsupported, "firewall", "the packet filter of this system is not read")
	return nil
}
