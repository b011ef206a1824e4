package process

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules/native"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// asksSystem says that a live machine is asked by calls, not through /proc.
const asksSystem = true

// systemParts are the parts of processes that a live machine shows.
func systemParts() []string { return []string{"environment"} }

// snapshot lists the processes.
func snapshot(l *lookout) ([]found, error) {
	b, err := unix.SysctlRaw("kern.proc.all")
	if err != nil {
		return nil, err
	}
	frequency, err := unix.SysctlUint64("hw.tbfrequency")
	if err != nil {
		return nil, fmt.Errorf("hw.tbfrequency: %w", err)
	}
	processes, err := parseKinfo(b)
	list := make([]found, len(processes))
	for i := range processes {
		p := &macLive{macProcess: &processes[i], lookout: l, frequency: frequency}
		list[i] = found{p.pid, p.name, p}
	}
	return list, err
}

// A macLive is a process that runs.
type macLive struct {
	*macProcess
	lookout   *lookout
	frequency uint64
	call      part[macCall]
	task      part[macTask]
	folders   part[[2]string]
}

func (p *macLive) calls() (*macCall, error) {
	return p.call.get(func() ([]byte, error) { return unix.SysctlRaw("kern.procargs2", int(p.pid)) }, parseMacCall)
}

// info asks for a structure of a size.
func (p *macLive) info(flavor, size int) func() ([]byte, error) {
	return func() ([]byte, error) {
		b := make([]byte, size)
		n, err := native.ProcessInfo(int(p.pid), flavor, b)
		if flavor == native.PathInfo {
			n = size
		}
		return b[:min(n, size)], err
	}
}

func (p *macLive) program() (string, error) {
	b, err := p.info(native.PathInfo, 4*1024)() // as large as libproc has it
	if errors.Is(err, unix.ENOENT) {
		c, err := p.calls() // the file is gone; this is what was asked for
		if err != nil {
			return "", err
		}
		return c.program, nil
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	return string(path), err
}

func (p *macLive) column(name string) (value.Value, error) {
	if v, ok := p.macProcess.column(name); ok {
		return v, nil
	}
	switch name {
	case "user":
		return table.TextOf(p.lookout.user(p.euid)), nil
	case "session":
		n, err := unix.Getsid(int(p.pid))
		return value.NewInt(int64(n)), err
	case "exe", "path":
		if p.pid == 0 {
			return value.Value{}, nil
		}
		path, err := p.program()
		return table.TextOf(path), err
	case "cmdline", "args", "env":
		return p.called(name)
	case "cwd", "root":
		f, err := p.folders.get(p.info(native.VnodePathInfo, 2*vnodePathSize), parseMacFolders)
		if err != nil {
			return value.Value{}, err
		}
		if name == "cwd" {
			return table.TextOf(f[0]), nil
		}
		if f[1] == "" {
			return value.NewText("/"), nil
		}
		return value.NewText(f[1]), nil
	case "cpu_time", "memory", "virtual_memory", "threads":
		return p.used(name)
	}
	return value.Value{}, nil
}

// called gives what the process was started with.
func (p *macLive) called(name string) (value.Value, error) {
	if p.pid == 0 {
		return value.Value{}, nil
	}
	c, err := p.calls()
	switch {
	case err != nil:
		return value.Value{}, err
	case name == "cmdline":
		return table.TextOf(strings.Join(c.args, " ")), nil
	case name == "args":
		return table.ListOf(c.args, value.NewText), nil
	}
	return table.ListOf(c.env, value.NewText), nil
}

// used gives what the process takes of the machine.
func (p *macLive) used(name string) (value.Value, error) {
	t, err := p.task.get(p.info(native.TaskInfo, taskInfoSize), parseMacTask)
	switch {
	case err != nil:
		return value.Value{}, err
	case name == "cpu_time":
		return value.NewDuration(t.cpu(p.frequency)), nil
	case name == "memory":
		return value.NewSize(t.resident), nil
	case name == "virtual_memory":
		return value.NewSize(t.virtual), nil
	}
	return value.NewInt(t.threads), nil
}

func (p *macLive) environ() ([]string, error) {
	if p.pid == 0 {
		return nil, nil
	}
	c, err := p.calls()
	if err != nil {
		return nil, err
	}
	return c.env, nil
}

func (p *macLive) threads(func(*task) error) error   { return errors.ErrUnsupported }
func (p *macLive) regions(func(*region) error) error { return errors.ErrUnsupported }
func (p *macLive) close()                            {}
