// Package nocore keeps what a process holds in memory out of core dumps, and
// away from other processes of the same user.
//
// [Guard] is all there is. Call it before a key is opened. It cannot help
// against root, against memory that was written to swap, or against whoever
// froze the whole machine.
package nocore

import "errors"

// ErrUnsupported says that the system has no such guard that is known here.
var ErrUnsupported = errors.New("nocore: no guard is known of this system")
