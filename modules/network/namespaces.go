package network

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A namespace is a network that a host has: its own, or that of a container.
type namespace struct {
	name string // such as net:[4026531840]; "" where it is not known
	dir  string // the files that show it: /proc/net, /proc/12/net
	own  bool   // it is that of who asks, on a live machine
}

// eachNamespace calls yield for the network of who asks first, and then for
// each other that a process is in. Processes whose namespace may not be looked
// at may be in one that is missing, which is reported.
func eachNamespace(s *table.Scan, yield func(namespace) error) error {
	own := namespace{dir: "/proc/net", own: s.FS.Live()}
	if s.FS.Live() {
		own.dir = "/proc/self/net"
		own.name, _ = s.FS.Readlink("/proc/self/ns/net")
	} else if s.FS.Exists("/proc/1/net") {
		own.dir = "/proc/1/net"
		own.name, _ = s.FS.Readlink("/proc/1/ns/net")
	}
	if err := yield(own); err != nil {
		return err
	}
	seen := map[string]bool{own.name: true}
	closed := 0
	for _, pid := range processes(s.FS) {
		dir := "/proc/" + pid
		name, err := s.FS.Readlink(dir + "/ns/net")
		if errors.Is(err, fs.ErrPermission) {
			closed++
		}
		if err != nil || seen[name] {
			continue // it ended, or its network is known
		}
		seen[name] = true
		if err := yield(namespace{name: name, dir: dir + "/net"}); err != nil {
			return err
		}
	}
	if closed > 0 {
		s.Skip(modules.SkipPermission, "/proc/*/ns/net", strconv.Itoa(closed)+" processes may be in networks of their own")
	}
	return nil
}

// processes lists the numbers of processes as they are written, in order.
func processes(f *hostfs.FS) []string {
	var pids []string
	for _, name := range f.List("/proc") {
		if name[0] >= '1' && name[0] <= '9' {
			pids = append(pids, name)
		}
	}
	slices.SortFunc(pids, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return pids
}

// socketOwners finds which processes have which sockets open.
func socketOwners(s *table.Scan) map[uint64][]int64 {
	owners := map[uint64][]int64{}
	for _, name := range processes(s.FS) {
		pid, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			continue
		}
		if err := openSockets(s, "/proc/"+name+"/fd", func(inode uint64) {
			if had := owners[inode]; len(had) == 0 || had[len(had)-1] != pid {
				owners[inode] = append(had, pid)
			}
		}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Fail("process "+name+": open files", err)
		}
	}
	return owners
}

// openSockets gives the numbers of the sockets among what a process has open.
func openSockets(s *table.Scan, fds string, yield func(inode uint64)) error {
	dir, err := s.FS.OpenDir(fds)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	for _, name := range names {
		target, err := dir.Readlink(name)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err != nil {
			continue // it was closed
		}
		if rest, ok := strings.CutPrefix(target, "socket:["); ok {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64); err == nil {
				yield(inode)
			}
		}
	}
	return err
}
