//go:build !linux

package upgrade

import "syscall"

// attributes are those of any child: it ends when its standard input does. One
// that hangs while its parent is killed is left to its owner.
func attributes() *syscall.SysProcAttr { return nil }
