package process

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/native"
	"github.com/quaestor-engine/quaestor/value"
)

// A winProcess is what is kept of a SYSTEM_PROCESS_INFORMATION of 64-bit
// Windows. It has winHead bytes, behind which its threads stand, each a
// SYSTEM_THREAD_INFORMATION of winThread; numbers are little-endian, times
// count 100 ns, from 1601 where they are no spans.
type winProcess struct {
	pid, parent       int64
	session, handles  int64
	name              string
	created           time.Time
	cpu               time.Duration
	resident, virtual int64
	threads           []winTask
}

// A winTask is a thread of it.
type winTask struct {
	tid         int64
	created     time.Time
	cpu         time.Duration
	state, wait uint32
}

const (
	winHead   = 0x100
	winThread = 0x50
	// maxThreads is how many threads a process is believed to have.
	maxThreads = 1 << 20
)

// parseWinProcesses reads a list of processes that the kernel wrote to the
// address at. Each says how far it is to the next; 0 is the last.
func parseWinProcesses(b []byte, at uint64) ([]winProcess, error) {
	e := binary.LittleEndian
	var list []winProcess
	for off := uint64(0); ; {
		if off+winHead > uint64(len(b)) {
			return list, fmt.Errorf("list of processes: %w", hostfs.ErrMalformed)
		}
		h := b[off:]
		p := winProcess{
			created: native.FileTime(e.Uint64(h[0x20:])), cpu: winSpan(e.Uint64(h[0x28:])) + winSpan(e.Uint64(h[0x30:])),
			pid: int64(e.Uint64(h[0x50:])), parent: int64(e.Uint64(h[0x58:])),
			handles: int64(e.Uint32(h[0x60:])), session: int64(e.Uint32(h[0x64:])),
			virtual: int64(e.Uint64(h[0x78:])), resident: int64(e.Uint64(h[0x90:])),
		}
		name, ok := unicodeString(b, off+0x38, at)
		if p.name = name; p.pid == 0 {
			p.name = "System Idle Process" // which has none
		}
		count := uint64(e.Uint32(h[4:]))
		if !ok || count > maxThreads || winHead+count*winThread > uint64(len(h)) {
			return list, fmt.Errorf("process %d: %w", p.pid, hostfs.ErrMalformed)
		}
		for i := range count {
			t := h[winHead+i*winThread:]
			p.threads = append(p.threads, winTask{
				tid: int64(e.Uint64(t[0x30:])), created: native.FileTime(e.Uint64(t[0x10:])),
				cpu: winSpan(e.Uint64(t)) + winSpan(e.Uint64(t[8:])), state: e.Uint32(t[0x44:]), wait: e.Uint32(t[0x48:]),
			})
		}
		list = append(list, p)
		next := uint64(e.Uint32(h))
		if next == 0 {
			return list, nil
		}
		off += next
	}
}

// unicodeString reads a UNICODE_STRING at an offset of a buffer that was
// written to the address at: its length in bytes at 0, and at 8 where the text
// is, which must be in the buffer.
func unicodeString(b []byte, off, at uint64) (string, bool) {
	if off+16 > uint64(len(b)) {
		return "", false
	}
	size, from := uint64(binary.LittleEndian.Uint16(b[off:])), binary.LittleEndian.Uint64(b[off+8:])
	if size == 0 {
		return "", true
	}
	if from < at || from-at > uint64(len(b)) || size > uint64(len(b))-(from-at) {
		return "", false
	}
	return native.Text(b[from-at : from-at+size]), true
}

// winSpan reads a span; one that does not fit is none.
func winSpan(t uint64) time.Duration {
	if t > (1<<63-1)/100 {
		return 0
	}
	return time.Duration(t) * 100
}

// column gives the columns that the list knows; false for others.
func (p *winProcess) column(name string) (value.Value, bool) {
	switch name {
	case "parent":
		return value.NewInt(p.parent), true
	case "name":
		return value.NewText(p.name), true
	case "started":
		if p.created.IsZero() {
			return value.Value{}, true
		}
		return value.NewTime(p.created), true
	case "cpu_time":
		return value.NewDuration(p.cpu), true
	case "memory":
		return value.NewSize(p.resident), true
	case "virtual_memory":
		return value.NewSize(p.virtual), true
	case "threads":
		return value.NewInt(int64(len(p.threads))), true
	case "open_files":
		return value.NewInt(p.handles), true
	case "session_number":
		return value.NewInt(p.session), true
	case "kernel":
		return value.NewBool(p.kernel()), true
	}
	return value.Value{}, false
}

// kernel says whether it is the idle process or the kernel itself, which have
// no program.
func (p *winProcess) kernel() bool { return p.pid == 0 || p.pid == 4 }

// task gives a thread as module thread has it.
func (t *winTask) task(pid int64) task {
	const (
		running, terminated, waiting = 2, 4, 5
		suspended                    = 5 // a reason to wait
	)
	k := task{pid: pid, tid: t.tid, started: t.created, unnamed: true, stat: stat{cpu: t.cpu}}
	switch {
	case t.state == running:
		k.stat.state = 'R'
	case t.state == terminated:
		k.stat.state = 'X'
	case t.state == waiting && t.wait == suspended:
		k.stat.state = 'T'
	case t.state == waiting:
		k.stat.state = 'S'
	}
	return k
}

// winRights writes what a page of Windows may be used for as Linux does: the
// protection and the type of a MEMORY_BASIC_INFORMATION.
func winRights(protect, kind uint32) string {
	const guard, mapped = 0x100, 0x40000
	rights := map[uint32]string{0x02: "r--", 0x04: "rw-", 0x08: "rw-", 0x10: "--x", 0x20: "r-x", 0x40: "rwx", 0x80: "rwx"}[protect&0xff]
	if rights == "" || protect&guard != 0 {
		rights = "---" // whoever touches it is told of it
	}
	if kind == mapped {
		return rights + "s"
	}
	return rights + "p"
}

// dosPath gives a path of the kernel, such as \Device\HarddiskVolume3\x, with
// the letter of its drive; as it is where none has one.
func dosPath(drives map[string]string, path string) string {
	for device, letter := range drives {
		if rest, ok := strings.CutPrefix(path, device+`\`); ok {
			return letter + `\` + rest
		}
	}
	return path
}

// Where things stand in a process of 64-bit Windows: in its
// PROCESS_BASIC_INFORMATION, its PEB, and its RTL_USER_PROCESS_PARAMETERS.
const (
	basicPEB         = 0x08
	pebParameters    = 0x20
	parametersFolder = 0x38 // a UNICODE_STRING
	parametersEnv    = 0x80
	parametersSize   = 0x3f8 // behind what is needed: the size of the environment is at 0x3f0
	environmentSize  = 0x3f0
	maxEnvironment   = 1 << 20 // bytes; Windows allows 64 kB of each variable
)

// A parameterBlock is what a process of Windows was started with.
type parameterBlock struct {
	folder string
	env    []string
}

// readParameters finds the parameters of a process in its memory, whose PEB
// is at an address. The process may write them over.
func readParameters(peb uint64, read func(at uint64, n int) ([]byte, error)) (parameterBlock, error) {
	e := binary.LittleEndian
	var p parameterBlock
	head, err := read(peb+pebParameters, 8)
	if err != nil {
		return p, err
	}
	b, err := read(e.Uint64(head), parametersSize)
	if err != nil {
		return p, err
	}
	if size := int(e.Uint16(b[parametersFolder:])); size > 0 {
		text, err := read(e.Uint64(b[parametersFolder+8:]), size)
		if err != nil {
			return p, err
		}
		p.folder = native.Text(text)
	}
	size := e.Uint64(b[environmentSize:])
	if size > maxEnvironment {
		return p, fmt.Errorf("an environment of %d bytes: %w", size, hostfs.ErrTooLarge)
	}
	if size == 0 {
		return p, nil
	}
	text, err := read(e.Uint64(b[parametersEnv:]), int(size))
	if err != nil {
		return p, err
	}
	whole, _, _ := strings.Cut(native.Text(text), "\x00\x00")
	for _, one := range strings.Split(whole, "\x00") {
		if one = strings.TrimSuffix(one, "\x00"); one != "" && !strings.HasPrefix(one, "=") { // =C: is the folder of a drive
			p.env = append(p.env, one)
		}
	}
	return p, nil
}
