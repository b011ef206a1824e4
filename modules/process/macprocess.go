package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A macProcess is what is kept of a kinfo_proc of 64-bit macOS, as sysctl
// kern.proc.all lists them; numbers are little-endian.
type macProcess struct {
	pid, parent, group int64
	name               string
	started            time.Time
	state              byte
	nice, tty          int64
	uid, euid          int64
	gid, egid          int64
	groups             []int64
}

const (
	kinfoSize = 648
	maxGroups = 16 // that it has room for
)

// parseKinfo reads a list of them.
func parseKinfo(b []byte) ([]macProcess, error) {
	e := binary.LittleEndian
	if len(b)%kinfoSize != 0 {
		return nil, fmt.Errorf("kern.proc: %w", hostfs.ErrMalformed)
	}
	list := make([]macProcess, 0, len(b)/kinfoSize)
	for ; len(b) > 0; b = b[kinfoSize:] {
		n := func(at int) int64 { return int64(int32(e.Uint32(b[at:]))) }
		name, _, _ := bytes.Cut(b[243:260], []byte{0})
		p := macProcess{
			pid: n(40), parent: n(560), group: n(564), name: string(name), nice: int64(int8(b[242])), tty: n(572),
			uid: int64(e.Uint32(b[392:])), euid: int64(e.Uint32(b[420:])), gid: int64(e.Uint32(b[400:])),
		}
		if sec := int64(e.Uint64(b)); sec > 0 {
			p.started = time.Unix(sec, n(8)*1000).UTC()
		}
		if state := int(b[36]); state < len(macStates) {
			p.state = macStates[state]
		}
		for i := range min(int(e.Uint16(b[424:])), maxGroups) {
			p.groups = append(p.groups, int64(e.Uint32(b[428+4*i:])))
		}
		if p.egid = p.gid; len(p.groups) > 0 {
			p.egid = p.groups[0]
		}
		list = append(list, p)
	}
	return list, nil
}

// macStates are the states of sys/proc.h in the letters of Linux: idle
// (which begins), running, sleeping, stopped, zombie.
const macStates = "\x00IRSTZ"

// terminal names a device as /dev has it.
func (p *macProcess) terminal() string {
	const ptys = 16
	if p.tty == -1 {
		return ""
	}
	major, minor := p.tty>>24&0xff, p.tty&0xffffff
	if major == ptys {
		return fmt.Sprintf("ttys%03d", minor)
	}
	return strconv.FormatInt(major, 10) + ":" + strconv.FormatInt(minor, 10)
}

// column gives the columns that the list knows; false for others.
func (p *macProcess) column(name string) (value.Value, bool) {
	switch name {
	case "parent":
		return value.NewInt(p.parent), true
	case "name":
		return value.NewText(p.name), true
	case "started":
		return table.TimeOf(p.started), true
	case "state":
		return table.TextOf((&stat{state: p.state}).stateName()), true
	case "nice":
		return value.NewInt(p.nice), true
	case "tty":
		return table.TextOf(p.terminal()), true
	case "process_group":
		return value.NewInt(p.group), true
	case "kernel":
		return value.NewBool(p.pid == 0), true
	case "uid":
		return value.NewInt(p.uid), true
	case "euid":
		return value.NewInt(p.euid), true
	case "gid":
		return value.NewInt(p.gid), true
	case "egid":
		return value.NewInt(p.egid), true
	case "groups":
		return table.ListOf(p.groups, value.NewInt), true
	}
	return value.Value{}, false
}

// A macCall is what a process was started with.
type macCall struct {
	program   string
	args, env []string
}

// parseMacCall reads what sysctl kern.procargs2 gives: the number of words in
// four bytes, the path of the program, zeros up to the next word, the words,
// and the environment up to an empty one. Each ends with a zero.
func parseMacCall(b []byte) (macCall, error) {
	bad := fmt.Errorf("kern.procargs2: %w", hostfs.ErrMalformed)
	if len(b) < 4 {
		return macCall{}, bad
	}
	count, rest := binary.LittleEndian.Uint32(b), b[4:]
	program, rest, ok := bytes.Cut(rest, []byte{0})
	if !ok {
		return macCall{}, bad
	}
	c := macCall{program: string(program)}
	rest = bytes.TrimLeft(rest, "\x00")
	for range count {
		var word []byte
		if word, rest, ok = bytes.Cut(rest, []byte{0}); !ok {
			return macCall{}, bad
		}
		c.args = append(c.args, string(word))
	}
	for {
		var word []byte
		if word, rest, ok = bytes.Cut(rest, []byte{0}); !ok || len(word) == 0 {
			return c, nil
		}
		c.env = append(c.env, string(word))
	}
}

// A macTask is a proc_taskinfo: sizes in bytes at 0 and 8, times in ticks of
// the machine at 16 and 24, the number of threads at 84.
type macTask struct {
	virtual, resident int64
	ticks             uint64
	threads           int64
}

const (
	taskInfoSize  = 96
	vnodePath     = 152 // in a vnode_info_path, behind a vnode_info
	vnodePathSize = vnodePath + 1024
)

func parseMacTask(b []byte) (macTask, error) {
	if len(b) < taskInfoSize {
		return macTask{}, fmt.Errorf("proc_taskinfo: %w", hostfs.ErrMalformed)
	}
	e := binary.LittleEndian
	return macTask{
		virtual: int64(e.Uint64(b)), resident: int64(e.Uint64(b[8:])),
		ticks: e.Uint64(b[16:]) + e.Uint64(b[24:]), threads: int64(int32(e.Uint32(b[84:]))),
	}, nil
}

// cpu gives its time on a machine of so many ticks a second.
func (t *macTask) cpu(frequency uint64) time.Duration {
	if frequency == 0 {
		return 0
	}
	return time.Duration(t.ticks/frequency)*time.Second + time.Duration(t.ticks%frequency*uint64(time.Second)/frequency)
}

// parseMacFolders reads a proc_vnodepathinfo: two vnode_info_path, of the
// working directory and of the root, where that is another than all have.
func parseMacFolders(b []byte) (folders [2]string, err error) {
	if len(b) < 2*vnodePathSize {
		return folders, fmt.Errorf("proc_vnodepathinfo: %w", hostfs.ErrMalformed)
	}
	for i := range folders {
		path, _, _ := bytes.Cut(b[i*vnodePathSize+vnodePath:(i+1)*vnodePathSize], []byte{0})
		folders[i] = string(path)
	}
	return folders, nil
}
