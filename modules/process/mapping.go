package process

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A region is a line of /proc/PID/maps, as proc_pid_maps(5) has it.
type region struct {
	proc        *proc
	start, end  uint64
	permissions string // such as r-xp
	offset      uint64
	noOffset    bool   // the system does not say
	device      string // the major and minor number, such as 08:01
	inode       uint64
	backed      bool   // there is a file behind it, or a piece of shared memory
	name        string // a path, something in brackets, or ""
	file        string // the path, where name is one that only the kernel knows
}

// readable says whether the process itself may read it.
func (r *region) readable() bool { return r.permissions[0] == 'r' }

func (r *region) size() int64 { return int64(min(r.end-r.start, 1<<63-1)) }

// path gives the file that is mapped.
func (r *region) path() (path string, deleted bool) {
	if r.file != "" {
		return r.file, false
	}
	if !strings.HasPrefix(r.name, "/") || strings.HasPrefix(r.name, "/memfd:") {
		return "", false
	}
	return strings.CutSuffix(r.name, deletedMark)
}

// anonymous says that no file is behind it. Shared memory without a name has
// an inode and is none.
func (r *region) anonymous() bool { return !r.backed }

// parseRegion reads a line. The name goes on to the end of it, blanks and all.
func parseRegion(line []byte) (region, bool) {
	var r region
	from, rest, ok1 := bytes.Cut(line, []byte("-"))
	to, rest, ok2 := bytes.Cut(rest, []byte(" "))
	permissions, rest, ok3 := bytes.Cut(rest, []byte(" "))
	offset, rest, ok4 := bytes.Cut(rest, []byte(" "))
	device, rest, ok5 := bytes.Cut(rest, []byte(" "))
	inode, name, _ := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || len(permissions) != 4 {
		return r, false
	}
	var errs [4]error
	r.start, errs[0] = strconv.ParseUint(string(from), 16, 64)
	r.end, errs[1] = strconv.ParseUint(string(to), 16, 64)
	r.offset, errs[2] = strconv.ParseUint(string(offset), 16, 64)
	node, err := strconv.ParseUint(string(inode), 10, 64)
	r.backed, errs[3] = node != 0, err
	r.device, r.inode = string(device), node
	for _, err := range errs {
		if err != nil {
			return r, false
		}
	}
	r.permissions = string(permissions)
	r.name = unescapeNewlines(string(bytes.TrimLeft(name, " ")))
	return r, r.start <= r.end
}

// unescapeNewlines undoes what the kernel does to a newline in a path.
func unescapeNewlines(s string) string { return strings.ReplaceAll(s, `\012`, "\n") }

// regions calls yield for each mapping of a process.
func (p *proc) regions(yield func(*region) error) error {
	if p.system != nil {
		return p.system.regions(func(r *region) error {
			r.proc = p
			return yield(r)
		})
	}
	if p.spaceless() {
		return nil
	}
	text, err := p.read("maps")()
	if err != nil {
		return err
	}
	// The buffer is another's as soon as anything else is read.
	text = bytes.Clone(text)
	for line := range bytes.Lines(text) {
		r, ok := parseRegion(bytes.TrimSuffix(line, []byte("\n")))
		if !ok {
			return fmt.Errorf("maps: %w", hostfs.ErrMalformed)
		}
		r.proc = p
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}

// address writes an address so that the order of texts is that of addresses.
func address(a uint64) string { return fmt.Sprintf("0x%016x", a) }

// regionColumns are the columns that mappings and memory share.
func regionColumns() []table.Column[region] {
	return []table.Column[region]{
		table.Int("process", "The process.", func(r *region) int64 { return r.proc.pid }).To("process").Shown(),
		table.Text("start", "The first address, in 16 hexadecimal digits.", func(r *region) string { return address(r.start) }).Shown(),
		table.Text("end", "The address behind the last.", func(r *region) string { return address(r.end) }),
		table.Size("size", "How large it is.", (*region).size).Shown(),
		table.Text("permissions", "What the process may do with it: read, write, execute, and whether it is private or shared, as in r-xp.",
			func(r *region) string { return r.permissions }).Shown(),
		table.Computed("path", value.Text, "The file that is mapped; in another mount namespace it begins with /proc/PID/root, where the host finds it.", regionPath).
			Costs(modules.Stat).To("file").Shown(),
		table.Text("name", "What the kernel calls it: a path, or [heap], [stack] and the like; on Windows a path that begins with a device.", func(r *region) string { return r.name }),
		table.Value("offset", value.Size, "Where in the file it begins.", func(r *region) value.Value {
			if r.noOffset {
				return value.Value{}
			}
			return value.NewSize(int64(r.offset))
		}).On("linux"),
		table.Text("device", "The major and minor number of the device that the file is on, as in 08:01.", func(r *region) string { return r.device }).On("linux"),
		table.Value("inode", value.Int, "The number of the file in its file system; 0 where there is none.", func(r *region) value.Value {
			if r.noOffset {
				return value.Value{}
			}
			return value.NewInt(int64(r.inode))
		}).On("linux"),
		table.Bool("anonymous", "Whether there is no file behind it.", (*region).anonymous),
		table.Bool("deleted", "Whether the file behind it has no name any more.", func(r *region) bool {
			_, deleted := r.path()
			return deleted
		}).On("linux"),
	}
}

func regionPath(_ *table.Scan, r *region) (value.Value, error) {
	path, _ := r.path()
	if path == "" {
		return value.Value{}, nil
	}
	prefix, err := r.proc.elsewhere()
	return table.TextOf(prefix + path), err
}

func mapping() modules.Module {
	return table.New(modules.Schema{
		Name: "mapping", Doc: "The address spaces of processes: one row for each mapping.",
		Key: "process", Locator: locator(), Processes: true,
	}, regionColumns(), within("mappings", (*proc).regions)).By()
}
