package network

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
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

// An owner is a process that has a socket open.
type owner struct {
	inode uint64
	pid   int64
	fd    int64
}

// socketOwners finds which processes have which sockets open, in the order of
// the sockets and, of each, of the processes. All of them are asked: several
// may share one.
func socketOwners(s *table.Scan) []owner {
	var owners []owner
	for _, name := range processes(s.FS) {
		pid, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			continue
		}
		if err := openSockets(s, "/proc/"+name+"/fd", func(inode uint64, fd int64) {
			owners = append(owners, owner{inode, pid, fd})
		}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Fail("process "+name+": open files", err)
		}
	}
	slices.SortFunc(owners, func(a, b owner) int {
		return cmp.Or(cmp.Compare(a.inode, b.inode), cmp.Compare(a.pid, b.pid), cmp.Compare(a.fd, b.fd))
	})
	// A process may have one under several numbers.
	return slices.CompactFunc(owners, func(a, b owner) bool { return a.inode == b.inode && a.pid == b.pid })
}

// having gives those of the owners who have one socket.
func having(owners []owner, inode uint64) []owner {
	i, _ := slices.BinarySearchFunc(owners, inode, func(o owner, inode uint64) int { return cmp.Compare(o.inode, inode) })
	n := i
	for n < len(owners) && owners[n].inode == inode {
		n++
	}
	return owners[i:n]
}

// openSockets gives the numbers of the sockets among what a process has open.
func openSockets(s *table.Scan, fds string, yield func(inode uint64, fd int64)) error {
	dir, err := s.FS.OpenDir(fds)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Links(func(name string, target []byte) {
		if inode, ok := socketInode(target); ok {
			fd, _ := strconv.ParseInt(name, 10, 64)
			yield(inode, fd)
		}
	})
}

// socketInode reads the number of a socket: socket:[4711].
func socketInode(target []byte) (inode uint64, ok bool) {
	const front = "socket:["
	if len(target) <= len(front)+1 || string(target[:len(front)]) != front || target[len(target)-1] != ']' {
		return 0, false
	}
	for _, c := range target[len(front) : len(target)-1] {
		if c < '0' || c > '9' || inode > math.MaxInt64/10 {
			return 0, false
		}
		inode = 10*inode + uint64(c-'0')
	}
	return inode, true
}
