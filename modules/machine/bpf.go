package machine

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A bpfObject is a BPF program, or a link that holds one, as a process has it
// open, the kernel lists it, or a name in the BPF file system holds it.
type bpfObject struct {
	kind, kindOf, linkKind, name, attached, tag, path, source string
	id, link, pid, descriptor, memory, runs                   *int64
	compiled                                                  *bool
}

func bpfs() modules.Module {
	return table.New(modules.Schema{
		Name: "bpf", Processes: true,
		Doc:     "The BPF programs in the kernel that a process has open, that the kernel lists in its BPF file system, or that are pinned there.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "trace_*"},
	}, []table.Column[bpfObject]{
		number("id", "The kernel's number of the program; null for what is pinned, which does not say.", func(b *bpfObject) *int64 { return b.id }).Shown(),
		table.Text("kind", "What this is: a program, a link that holds one where it is attached, or something pinned, which may be a map as well.", func(b *bpfObject) string { return b.kind }).Shown().OneOf("program", "link", "pinned"),
		table.Text("type", "What the program is for, as in kprobe or xdp.", func(b *bpfObject) string { return b.kindOf }).Shown(),
		table.Text("name", "Its name, which the kernel lists only with bpf_preload; of something pinned the name of its file.", func(b *bpfObject) string { return b.name }).Shown(),
		table.Text("attached", "To what it is attached, as the kernel lists it.", func(b *bpfObject) string { return b.attached }),
		table.Text("tag", "The first 8 bytes of the SHA of its instructions, in hexadecimal digits.", func(b *bpfObject) string { return b.tag }).Shown(),
		number("link_id", "The kernel's number of the link.", func(b *bpfObject) *int64 { return b.link }),
		table.Text("link_type", "The type of the link, as in tracing.", func(b *bpfObject) string { return b.linkKind }),
		number("process", "The process that has it open.", func(b *bpfObject) *int64 { return b.pid }).Shown().To("process"),
		number("fd", "The number of the descriptor by which the process has it open.", func(b *bpfObject) *int64 { return b.descriptor }),
		maybe("compiled", "Whether it was compiled for the processor.", func(b *bpfObject) *bool { return b.compiled }),
		table.Value("memory", value.Size, "How much memory it takes.", func(b *bpfObject) value.Value {
			if b.memory == nil {
				return value.Value{}
			}
			return value.NewSize(*b.memory)
		}),
		number("run_count", "How often it ran, where the kernel counts that.", func(b *bpfObject) *int64 { return b.runs }),
		table.Text("path", "The file by which it is pinned.", func(b *bpfObject) string { return b.path }).Shown().To("file"),
		table.Text("source", "Where this was read.", func(b *bpfObject) string { return b.source }).To("file"),
	}, listBPF)
}

// number is a column of a number that may not be known.
func number(name, doc string, get func(*bpfObject) *int64) table.Column[bpfObject] {
	return table.Value(name, value.Int, doc, func(b *bpfObject) value.Value {
		if n := get(b); n != nil {
			return value.NewInt(*n)
		}
		return value.Value{}
	})
}

// bpfDir is where the BPF file system is mounted, and bpfList the file in it
// by which a kernel with bpf_preload lists its programs.
const (
	bpfDir  = "/sys/fs/bpf"
	bpfList = bpfDir + "/progs.debug"
)

// listBPF looks in all places. Asking the kernel itself would take a call that
// only a pointer into its argument can make; so what is attached, and neither
// open nor listed, is named as left out.
func listBPF(s *table.Scan, yield func(*bpfObject) error) error {
	if !linux(s) {
		return nil
	}
	listed := map[int64]bpfObject{}
	text, complete := s.FS.Get(bpfList)
	if complete {
		listed = parseBPFList(bpfList, text, malformed(s))
	}
	seen := map[int64]bool{}
	err := openBPF(s, func(b *bpfObject) error {
		if b.id != nil {
			seen[*b.id] = true
			b.name, b.attached = listed[*b.id].name, listed[*b.id].attached
		}
		return yield(b)
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(listed)) {
		b := listed[id]
		if seen[id] {
			continue
		}
		if err := yield(&b); err != nil {
			return err
		}
	}
	if err := pinnedBPF(s, bpfDir, 0, yield); err != nil {
		return err
	}
	if !complete && s.FS.Exists("/proc/1") {
		s.Skip(modules.SkipUnsupported, "bpf", "programs that are attached and that no process has open are not listed by this kernel")
	}
	return nil
}

// openBPF goes through the descriptors of all processes.
func openBPF(s *table.Scan, yield func(*bpfObject) error) error {
	for _, name := range s.FS.List("/proc") {
		pid, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		if err := s.Context().Err(); err != nil {
			return err
		}
		if err := bpfOfProcess(s, pid, yield); err != nil {
			return err
		}
	}
	return nil
}

// bpfOfProcess yields what a process has open. A process may end meanwhile.
func bpfOfProcess(s *table.Scan, pid int64, yield func(*bpfObject) error) error {
	at := "/proc/" + decimal(pid)
	dir, err := s.FS.OpenDir(at)
	if err != nil {
		failed(s, at, err)
		return nil
	}
	defer dir.Close()
	fds, err := dir.OpenDir("fd")
	if err != nil {
		failed(s, at+"/fd", err)
		return nil
	}
	defer fds.Close()
	names, err := fds.Names()
	if err != nil {
		failed(s, at+"/fd", err)
	}
	for _, name := range names {
		fd, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue // . and ..
		}
		to, err := fds.Readlink(name)
		if errors.Is(err, fs.ErrPermission) {
			s.Fail(at+"/fd", err) // the others would be refused as well
			return nil
		}
		if err != nil {
			failed(s, at+"/fd/"+name, err)
			continue
		}
		if to != "anon_inode:bpf-prog" && to != "anon_inode:bpf_link" && to != "anon_inode:bpf-link" {
			continue
		}
		where := at + "/fdinfo/" + name
		text, err := dir.Append(nil, "fdinfo/"+name, maxFdinfo)
		if err != nil {
			failed(s, where, err)
			continue
		}
		b, ok := parseFdinfo(text)
		if !ok {
			s.Fail(where, hostfs.ErrMalformed)
			continue
		}
		b.pid, b.descriptor, b.source = &pid, &fd, where
		if err := yield(b); err != nil {
			return err
		}
	}
	return nil
}

// maxFdinfo bounds what is read of a descriptor, in bytes: it has 20 lines.
const maxFdinfo = 64 << 10

// failed reports what keeps something from being read, but that it is gone.
func failed(s *table.Scan, where string, err error) {
	if !errors.Is(err, fs.ErrNotExist) && hostfs.SkipOf(where, err).Kind != modules.SkipVanished {
		s.Fail(where, err)
	}
}

// pinnedBPF yields what is pinned below a directory.
func pinnedBPF(s *table.Scan, dir string, depth int, yield func(*bpfObject) error) error {
	if depth > maxWalkDepth {
		s.Skip(modules.SkipTooDeep, dir, "")
		return nil
	}
	entries, err := s.FS.ReadDir(dir)
	if err != nil {
		failed(s, dir, err)
	}
	for _, e := range entries {
		if err := s.Context().Err(); err != nil {
			return err
		}
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = pinnedBPF(s, name, depth+1, yield)
		case e.Type().IsRegular() && !strings.HasSuffix(name, ".debug"):
			err = yield(&bpfObject{kind: "pinned", name: e.Name(), path: name, source: dir})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseFdinfo reads /proc/PID/fdinfo/N of a program or a link, which has a name
// and a value on each line.
func parseFdinfo(text []byte) (*bpfObject, bool) {
	b := &bpfObject{kind: "program"}
	good := true
	take := func(text string) *int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		good = good && err == nil && n >= 0
		return &n
	}
	for _, line := range table.Lines(text) {
		name, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		switch name {
		case "prog_type":
			b.kindOf = bpfType(v)
		case "prog_jited":
			is := v != "0"
			b.compiled = &is
		case "prog_tag":
			b.tag = v
		case "memlock":
			b.memory = take(v)
		case "prog_id":
			b.id = take(v)
		case "run_cnt":
			b.runs = take(v)
		case "link_type":
			b.kind, b.linkKind = "link", v
		case "link_id":
			b.link = take(v)
		}
	}
	return b, good && (b.id != nil || b.link != nil)
}

// parseBPFList reads progs.debug: titles, and then for each program its number,
// its name and to what it is attached, each of which may be missing but the
// number.
func parseBPFList(name string, text []byte, bad complaint) map[int64]bpfObject {
	list := map[int64]bpfObject{}
	for n, line := range table.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "id" {
			continue
		}
		id, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil || id < 0 || len(f) > 3 {
			bad(at(name, n))
			continue
		}
		b := bpfObject{kind: "program", id: &id, source: name}
		if len(f) > 1 {
			b.name = f[1]
		}
		if len(f) > 2 {
			b.attached = f[2]
		}
		list[id] = b
	}
	return list
}

// bpfType gives the kernel's word for the number of a type of programs, or the
// number.
func bpfType(number string) string {
	names := [...]string{
		"unspecified", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event", "cgroup_skb",
		"cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint",
		"cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector", "cgroup_sysctl",
		"raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter",
	}
	if n, err := strconv.ParseUint(number, 10, 16); err == nil && n < uint64(len(names)) {
		return names[n]
	}
	return number
}
