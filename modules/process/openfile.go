package process

import (
	"bytes"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A descriptor is something that a process has open.
type descriptor struct {
	proc   *proc
	dir    *hostfs.Dir // the descriptors of the process
	number int64
	target string // what the kernel calls it
}

// kind says what a descriptor is of.
func (d *descriptor) kind() string {
	switch {
	case strings.HasPrefix(d.target, "/memfd:"):
		return "memfd"
	case strings.HasPrefix(d.target, "/dev/"):
		return "device"
	case strings.HasPrefix(d.target, "/"):
		return "file"
	case strings.HasPrefix(d.target, "socket:"):
		return "socket"
	case strings.HasPrefix(d.target, "pipe:"):
		return "pipe"
	case strings.HasPrefix(d.target, "anon_inode:"):
		return "anon_inode"
	}
	return "other"
}

// inode is the number in brackets behind a socket or a pipe.
func (d *descriptor) inode() value.Value {
	_, rest, ok := strings.Cut(d.target, ":[")
	if n, err := strconv.ParseInt(strings.TrimSuffix(rest, "]"), 10, 64); ok && err == nil {
		return value.NewInt(n)
	}
	return value.Value{}
}

func (d *descriptor) path() (path string, deleted bool) {
	if !strings.HasPrefix(d.target, "/") {
		return "", false
	}
	path, deleted = strings.CutSuffix(d.target, deletedMark)
	return path, deleted
}

// access reads how it was opened.
func (d *descriptor) access() (value.Value, error) {
	text, err := d.proc.dir.Append(nil, "fdinfo/"+strconv.FormatInt(d.number, 10), maxFile)
	if err != nil {
		return value.Value{}, err
	}
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("flags:"))
		if !ok {
			continue
		}
		flags, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 8, 64)
		if err != nil {
			return value.Value{}, hostfs.ErrMalformed
		}
		return value.NewText([...]string{"read", "write", "read_write", "none"}[flags&3]), nil
	}
	return value.Value{}, hostfs.ErrMalformed
}

func openFile() modules.Module {
	return table.New(modules.Schema{
		Name: "open_file", Doc: "What processes have open: files, sockets, pipes and others, one row for each descriptor.",
		Key: "process", Locator: locator(), Processes: true,
	}, []table.Column[descriptor]{
		table.Int("process", "The process.", func(d *descriptor) int64 { return d.proc.pid }).To("process").Shown(),
		table.Int("fd", "The number of the descriptor; 0 is the input, 1 the output, 2 that of errors.", func(d *descriptor) int64 { return d.number }).Shown(),
		table.Text("type", "What it is.", (*descriptor).kind).Shown().
			OneOf("file", "device", "socket", "pipe", "memfd", "anon_inode", "other"),
		table.Computed("path", value.Text, "The path of a file; in another mount namespace it begins with /proc/PID/root, where the host finds it.", openPath).
			Costs(modules.Stat).To("file").Shown(),
		table.Text("target", "What the kernel calls it, such as pipe:[12345].", func(d *descriptor) string { return d.target }),
		table.Bool("deleted", "Whether it is a file that has no name any more.", func(d *descriptor) bool {
			_, deleted := d.path()
			return deleted
		}).Shown(),
		table.Value("inode", value.Int, "The number of a socket or pipe, as module socket has it.", (*descriptor).inode),
		table.Computed("access", value.Text, "What it was opened for.", func(_ *table.Scan, d *descriptor) (value.Value, error) { return d.access() }).
			OneOf("read", "write", "read_write", "none").Costs(modules.Stat),
	}, within("open files", func(p *proc, yield func(*descriptor) error) error {
		dir, err := p.dir.OpenDir("fd")
		if err != nil {
			return err
		}
		defer dir.Close()
		return eachNumber(dir, func(n int64, name string) error {
			target, err := dir.Readlink(name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it was closed
			}
			if err != nil {
				return err
			}
			return yield(&descriptor{proc: p, dir: dir, number: n, target: target})
		})
	})).By()
}

func openPath(_ *table.Scan, d *descriptor) (value.Value, error) {
	path, _ := d.path()
	if path == "" || d.kind() == "memfd" {
		return value.Value{}, nil
	}
	prefix, err := d.proc.elsewhere()
	return table.TextOf(prefix + path), err
}
