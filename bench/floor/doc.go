// Command floor reads every file of a tree and searches nothing: the least that
// a search of contents can cost on this machine ("read floor"). Two workers,
// getdents64 and openat by directory, one buffer of 256 KiB each. It follows no
// links, prints the number of files, and is no example of how to walk a tree in
// earnest: it stops at the first error. Linux only.
package main
