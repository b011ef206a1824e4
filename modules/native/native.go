// Package native is the few system calls that give bytes, and for which package
// golang.org/x/sys has no safe form.
//
// On Windows System and Process ask the kernel, Sockets and Neighbours the IP
// helper, and Streams what a file has beside its content; on macOS there is
// ProcessInfo, and on Linux Option. What the bytes mean is said by those who
// ask, in code that is compiled and tested on every system. The package only
// asks: it must not get a call that changes anything.
package native
