// Package process is the modules about what runs: processes and their
// threads, open files, mappings, environment and memory.
//
// [Modules] gives them. On Linux everything comes out of /proc, of the live
// machine or of a tree that has one; Windows and macOS are asked by calls of
// the system. Nothing is stopped, traced or written.
// The process that asks is left out, and counted: it holds in its memory what
// was asked for.
package process

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{environment(), mapping(), newMemory(), openFile(), process(), thread()}
}

// maxFile is how much of a file of a process is read, in bytes. The mappings
// of a process with 65,530 of them, the most that Linux allows at first, have
// some 8 MB.
const maxFile = 64 << 20

// A lookout goes through the processes of a host for one scan.
type lookout struct {
	*table.Scan
	only    []int64 // processes that are asked for by number; nil for all
	located func(pid int64, name string) bool
	users   map[int64]string // names by number, once they were asked for
	boot    part[time.Time]
	mounts  string // the mount namespace of the first process that this is
	buffer  []byte
}

// each calls yield for each process that is located.
func each(s *table.Scan, yield func(*proc) error) error {
	l := &lookout{Scan: s}
	if err := l.locate(); err != nil {
		return err
	}
	if s.FS.Live() && asksSystem {
		return l.eachFound(yield)
	}
	pids := l.only
	if pids == nil {
		var err error
		if pids, err = l.all(); err != nil {
			s.Fail("/proc", err)
			return nil
		}
	}
	for _, pid := range pids {
		if s.FS.Live() && l.isOwn(pid) {
			s.Skip(modules.SkipSelf, label(pid), "the process that answers")
			continue
		}
		if err := l.visit(pid, yield); err != nil {
			return err
		}
	}
	return nil
}

// isOwn says whether a process is the one that asks, its agent, or another that
// looks for that.
func (l *lookout) isOwn(pid int64) bool {
	agent := l.Host.Agent
	if pid == int64(os.Getpid()) || agent != 0 && pid == agent {
		return true
	}
	if agent == 0 {
		return false
	}
	text, err := l.FS.ReadFile("/proc/" + strconv.FormatInt(pid, 10) + "/stat")
	if err != nil {
		return false // visit says so
	}
	s, err := parseStat(text)
	return err == nil && s.parent == agent
}

// label says which process it is, for reports.
func label(pid int64) string { return "process " + strconv.FormatInt(pid, 10) }

// locate reads what the request says of where to look: its keys are pids, and
// a locator is a pid or a glob of names.
func (l *lookout) locate() error {
	for _, k := range l.Keys {
		l.only = append(l.only, k.Int())
	}
	var globs []string
	for _, text := range l.Locators {
		if pid, err := strconv.ParseUint(text, 10, 31); err == nil && l.Keys == nil {
			l.only = append(l.only, int64(pid))
		} else {
			globs = append(globs, text)
		}
	}
	l.located = func(int64, string) bool { return true }
	if l.Keys != nil || len(globs) == 0 {
		return nil
	}
	match, err := table.Globs(globs)
	pids := l.only
	l.only = nil // names are looked for among all
	l.located = func(pid int64, name string) bool { return slices.Contains(pids, pid) || match(name) }
	return err
}

// all lists the processes in the order of their numbers.
func (l *lookout) all() ([]int64, error) {
	dir, err := l.FS.OpenDir("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Names()
	pids := make([]int64, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 31); err == nil {
			pids = append(pids, int64(pid))
		}
	}
	slices.Sort(pids)
	return pids, err
}

// visit yields a process that is there and has the name that is asked for.
func (l *lookout) visit(pid int64, yield func(*proc) error) error {
	dir, err := l.FS.OpenDir("/proc/" + strconv.FormatInt(pid, 10))
	switch {
	case err == nil:
	case l.Keys != nil && errors.Is(err, fs.ErrNotExist):
		return nil
	case l.only != nil && errors.Is(err, fs.ErrNotExist):
		l.Skip(modules.SkipNotFound, label(pid), "there is none")
		return nil
	default:
		l.Fail(label(pid), err)
		return nil
	}
	defer dir.Close()
	p := &proc{pid: pid, dir: dir, lookout: l}
	st, err := p.stats()
	if err != nil {
		l.Fail(label(pid), err)
		return nil
	}
	if !l.located(pid, st.name) {
		return nil
	}
	return yield(p)
}

// A proc is a process that is looked at. What is known of it is read when it
// is first asked for.
type proc struct {
	*lookout
	pid    int64
	dir    *hostfs.Dir
	system system // on Windows and macOS, in the place of all that follows
	stat   part[stat]
	info   part[info]
	args   part[[]string]
	// closed says that its memory cannot be read, which was reported.
	closed bool
}

// A part is what one file says.
type part[T any] struct {
	known bool
	value T
	err   error
}

// get reads and parses the file when it is first asked for. An error is given
// once, and reported by who gets it; after that there is nothing.
func (p *part[T]) get(read func() ([]byte, error), parse func([]byte) (T, error)) (*T, error) {
	if !p.known {
		p.known = true
		text, err := read()
		if err == nil {
			p.value, err = parse(text)
		}
		p.err = err
		if err != nil {
			return nil, err
		}
	}
	if p.err != nil {
		return nil, errTold
	}
	return &p.value, nil
}

// errTold stands for an error that was reported before.
var errTold = errors.New("told before")

// read gives a file of the process, which is valid until the next is read.
func (p *proc) read(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		b, err := p.dir.Append(p.buffer[:0], name, maxFile)
		p.buffer = b[:0]
		return b, err
	}
}

func (p *proc) stats() (*stat, error) { return p.stat.get(p.read("stat"), parseStat) }

func (p *proc) infos() (*info, error) { return p.info.get(p.read("status"), parseInfo) }

func (p *proc) argv() (*[]string, error) { return p.args.get(p.read("cmdline"), parseArgs) }

// user gives the name of a user, "" where the files of the system know none.
func (l *lookout) user(uid int64) string {
	if l.users == nil {
		l.users = map[int64]string{}
		for _, u := range account.Users(l.FS) {
			if _, ok := l.users[u.UID]; !ok {
				l.users[u.UID] = u.Name
			}
		}
	}
	return l.users[uid]
}

// booted says when the system was started, from which the start of each
// process is counted.
func (l *lookout) booted() (*time.Time, error) {
	return l.boot.get(func() ([]byte, error) { return l.FS.ReadFile("/proc/stat") }, parseBoot)
}
