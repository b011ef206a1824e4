package process

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// cgroup gives the path of the control group: of the unified hierarchy, or of
// the first other whose path is not the root.
func (p *proc) cgroup() (string, error) {
	text, err := p.read("cgroup")()
	if err != nil {
		return "", err
	}
	path := ""
	for _, line := range table.Lines(text) {
		if parts := strings.SplitN(line, ":", 3); len(parts) == 3 && (path == "" || path == "/") {
			path = parts[2]
		}
	}
	return path, nil
}

func cgroupOf(p *proc) (value.Value, error) {
	path, err := p.cgroup()
	return table.TextOf(path), err
}

// ioCount makes a column of a line of /proc/PID/io, as proc_pid_io(5) has it.
func ioCount(key string) func(*proc) (value.Value, error) {
	return func(p *proc) (value.Value, error) {
		text, err := p.read("io")()
		if err != nil {
			return value.Value{}, err
		}
		for line := range bytes.Lines(text) {
			name, rest, _ := bytes.Cut(line, []byte(":"))
			if n, ok := number(bytes.TrimSpace(rest)); ok && string(name) == key {
				return value.NewSize(n), nil
			}
		}
		return value.Value{}, fmt.Errorf("io: no %s: %w", key, hostfs.ErrMalformed)
	}
}

func containerOf(p *proc) (value.Value, error) {
	path, err := p.cgroup()
	return table.TextOf(containerID(path)), err
}

func namespacesOf(p *proc) (value.Value, error) {
	dir, err := p.dir.OpenDir("ns")
	if err != nil {
		return value.Value{}, err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return value.Value{}, err
	}
	var list []string
	for _, name := range names {
		if strings.HasSuffix(name, "_for_children") {
			continue // those of processes to come
		}
		to, err := dir.Readlink(name)
		if err != nil {
			return value.Value{}, err
		}
		list = append(list, to)
	}
	return table.ListOf(list, value.NewText), nil
}

func openFiles(p *proc) (value.Value, error) {
	dir, err := p.dir.OpenDir("fd")
	if err != nil {
		return value.Value{}, err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return value.Value{}, err
	}
	return value.NewInt(int64(len(names))), nil
}

// spaceless says that a process has no memory of its own: threads of the
// kernel never had any, and zombies have none any more.
func (p *proc) spaceless() bool {
	s, err := p.stats()
	return err == nil && (s.kernel() || s.state == 'Z')
}

// environ gives the environment as the process got it.
func (p *proc) environ() ([]string, error) {
	if p.system != nil {
		return p.system.environ()
	}
	if p.spaceless() {
		return nil, nil
	}
	text, err := p.read("environ")()
	if err != nil {
		return nil, err
	}
	return parseArgs(text)
}

func envList(p *proc) (value.Value, error) {
	list, err := p.environ()
	if err != nil {
		return value.Value{}, err
	}
	return table.ListOf(list, value.NewText), nil
}
