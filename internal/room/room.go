// Package room says how much room a disk has.
//
// A newcomer needs [Of]. It must not be asked how much a program may write: a
// quota, or another program, may take the room a moment later.
package room

// A Disk is what a file system says of itself, in bytes.
type Disk struct {
	Free uint64 // that this user can still write
	Size uint64
}
