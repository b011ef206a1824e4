package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/windows"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/native"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// asksSystem says that a live machine is asked by calls, not through /proc.
const asksSystem = true

// systemParts are the parts of processes that a live machine shows. What a
// process has open is told by its handle alone, and asking a pipe for its name
// may wait for ever.
func systemParts() []string { return []string{"environment", "mappings", "memory", "threads"} }

// snapshot lists the processes.
func snapshot(*lookout) ([]found, error) {
	b, at, err := native.System(native.Processes)
	if err != nil {
		return nil, err
	}
	processes, err := parseWinProcesses(b, at)
	host := &winHost{names: map[string]string{}}
	list := make([]found, len(processes))
	for i := range processes {
		p := &winLive{winProcess: &processes[i], host: host}
		list[i] = found{p.pid, p.name, p}
	}
	return list, err
}

// A winHost is what is the same for all processes, once it was asked for.
type winHost struct {
	names  map[string]string // of users, by SID
	drives map[string]string // letters by devices
}

// A winLive is a process that runs.
type winLive struct {
	*winProcess
	host       *winHost
	handles    [2]part[windows.Handle] // to ask it, and to read its memory
	parameters part[parameterBlock]
}

// open gives a handle by which the process can be asked, or its memory read.
func (p *winLive) open(memory bool) (windows.Handle, error) {
	which, rights := &p.handles[0], uint32(windows.PROCESS_QUERY_LIMITED_INFORMATION)
	if memory {
		which, rights = &p.handles[1], windows.PROCESS_QUERY_INFORMATION|windows.PROCESS_VM_READ
	}
	h, err := which.get(func() ([]byte, error) { return nil, nil }, func([]byte) (windows.Handle, error) {
		return windows.OpenProcess(rights, false, uint32(p.pid))
	})
	if err != nil {
		return 0, err
	}
	return *h, nil
}

func (p *winLive) close() {
	for i := range p.handles {
		if h := &p.handles[i]; h.known && h.err == nil {
			windows.CloseHandle(h.value)
		}
	}
}

func (p *winLive) column(name string) (value.Value, error) {
	if v, ok := p.winProcess.column(name); ok {
		return v, nil
	}
	if p.kernel() {
		return value.Value{}, nil
	}
	switch name {
	case "exe", "path":
		path, err := p.program()
		return table.TextOf(path), err
	case "cmdline", "args":
		return p.called(name)
	case "user", "sid", "elevated":
		return p.token(name)
	case "cwd", "env":
		b, err := p.block()
		switch {
		case err != nil:
			return value.Value{}, err
		case name == "cwd":
			return table.TextOf(b.folder), nil
		}
		return table.ListOf(b.env, value.NewText), nil
	}
	return value.Value{}, nil
}

func (p *winLive) program() (string, error) {
	h, err := p.open(false)
	if err != nil {
		return "", err
	}
	b := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(b))
	if err := windows.QueryFullProcessImageName(h, 0, &b[0], &n); err != nil {
		return "", err
	}
	return windows.UTF16ToString(b[:n]), nil
}

// called gives the line that the process was started with, or its words.
func (p *winLive) called(name string) (value.Value, error) {
	h, err := p.open(false)
	if err != nil {
		return value.Value{}, err
	}
	b, at, err := native.Process(h, native.ProcessCommandLine)
	if err != nil {
		return value.Value{}, err
	}
	line, ok := unicodeString(b, 0, at)
	if !ok {
		return value.Value{}, hostfs.ErrMalformed
	}
	if name == "cmdline" || line == "" {
		return table.TextOf(line), nil
	}
	words, err := windows.DecomposeCommandLine(line)
	return table.ListOf(words, value.NewText), err
}

// token gives what the process's token says.
func (p *winLive) token(name string) (value.Value, error) {
	h, err := p.open(false)
	if err != nil {
		return value.Value{}, err
	}
	var t windows.Token
	if err := windows.OpenProcessToken(h, windows.TOKEN_QUERY, &t); err != nil {
		return value.Value{}, err
	}
	defer t.Close()
	if name == "elevated" {
		return value.NewBool(t.IsElevated()), nil
	}
	u, err := t.GetTokenUser()
	if err != nil {
		return value.Value{}, err
	}
	sid := u.User.Sid.String()
	if name == "sid" {
		return table.TextOf(sid), nil
	}
	if _, known := p.host.names[sid]; !known {
		p.host.names[sid] = native.AccountName(u.User.Sid)
	}
	return table.TextOf(p.host.names[sid]), nil
}

// block reads the parameters of the process from its memory.
func (p *winLive) block() (*parameterBlock, error) {
	h, err := p.open(true)
	if err != nil {
		return nil, err
	}
	return p.parameters.get(func() ([]byte, error) {
		b, _, err := native.Process(h, native.ProcessBasic)
		return b, err
	}, func(b []byte) (parameterBlock, error) {
		return readParameters(binary.LittleEndian.Uint64(b[basicPEB:]), func(at uint64, n int) ([]byte, error) {
			b := make([]byte, n)
			err := windows.ReadProcessMemory(h, uintptr(at), &b[0], uintptr(n), nil)
			return b, err
		})
	})
}

func (p *winLive) environ() ([]string, error) {
	if p.kernel() {
		return nil, nil
	}
	b, err := p.block()
	if err != nil {
		return nil, err
	}
	return b.env, nil
}

func (p *winLive) threads(yield func(*task) error) error {
	for i := range p.winProcess.threads {
		t := p.winProcess.threads[i].task(p.pid)
		if err := yield(&t); err != nil {
			return err
		}
	}
	return nil
}

// regions lists what is committed of the address space.
func (p *winLive) regions(yield func(*region) error) error {
	const private, size = 0x20000, 48 // a type, and the bytes of what is asked for
	if p.kernel() {
		return nil
	}
	h, err := p.open(true)
	if err != nil {
		return err
	}
	for at := uint64(0); ; {
		var m windows.MemoryBasicInformation
		if err := windows.VirtualQueryEx(h, uintptr(at), &m, size); err != nil {
			if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
				return nil // behind the last address
			}
			return err
		}
		r := region{
			start: uint64(m.BaseAddress), end: uint64(m.BaseAddress + m.RegionSize),
			permissions: winRights(m.Protect, m.Type), backed: m.Type != private, noOffset: true,
		}
		if r.end <= at {
			return fmt.Errorf("address space: %w", hostfs.ErrMalformed)
		}
		at = r.end
		if m.State != windows.MEM_COMMIT {
			continue
		}
		if r.backed {
			if b, base, err := native.MappedFile(h, r.start); err == nil {
				r.name, _ = unicodeString(b, 0, base)
				r.file = dosPath(p.host.letters(), r.name)
			}
		}
		if err := yield(&r); err != nil {
			return err
		}
		if at == math.MaxUint64 {
			return nil
		}
	}
}

// letters gives the letters of drives by their devices.
func (w *winHost) letters() map[string]string {
	if w.drives != nil {
		return w.drives
	}
	w.drives = map[string]string{}
	for c := 'A'; c <= 'Z'; c++ {
		letter := string(c) + ":"
		name, err := windows.UTF16PtrFromString(letter)
		b := make([]uint16, windows.MAX_PATH)
		if err != nil {
			continue
		}
		if n, err := windows.QueryDosDevice(name, &b[0], uint32(len(b))); err == nil && n > 0 {
			w.drives[windows.UTF16ToString(b)] = letter
		}
	}
	return w.drives
}
