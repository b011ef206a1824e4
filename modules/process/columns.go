package process

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// process makes the module of processes.
func process() modules.Module {
	return table.New(modules.Schema{
		Name:      "process",
		Doc:       "What runs: one row for each process, without the one that answers.",
		Key:       "pid",
		Processes: true,
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "pid",
			Doc: "a process by its number, or by a glob of names", Example: "'ssh*'",
		},
	}, processColumns(), each).By()
}

func processColumns() []table.Column[proc] {
	linux, unix, windows := "linux", []string{"linux", "darwin"}, "windows"
	return []table.Column[proc]{
		table.Int("pid", "The number of the process.", func(p *proc) int64 { return p.pid }).Shown(),
		ofStat("parent", value.Int, "The number of the process that it belongs to; 0 for the first.",
			func(s *stat) value.Value { return value.NewInt(s.parent) }).To("process").Shown(),
		ofStat("name", value.Text, "Its name as the kernel keeps it, on Linux and macOS of at most 15 bytes; it may give itself any, except on Windows.",
			func(s *stat) value.Value { return value.NewText(s.name) }).Shown(),
		column("user", value.Text, "The name of the user that it runs as, on Windows with its domain before it unless that is the machine; null where the system lists none.", userName).
			Costs(modules.Read).To("user").Shown(),
		column("exe", value.Text, "The file that it runs. Where that was deleted it is the path that it had; in another mount namespace it begins with /proc/PID/root, where the host finds it. Null for threads of the kernel.", exeLink).
			Costs(modules.Stat).To("file").Shown(),
		column("cmdline", value.Text, "What it was called with, with blanks between the words.", commandLine).Costs(modules.Stat).Shown(),
		column("args", value.List, "What it was called with, word for word.", argList).Of(value.Text).Costs(modules.Stat),
		column("path", value.Text, "The file that it runs, as the process itself sees it.", exePath).Costs(modules.Stat),
		column("deleted", value.Bool, "Whether the file that it runs was deleted or replaced since.", exeDeleted).Costs(modules.Stat).On(linux),
		column("cwd", value.Text, "The directory in which it works.", linkOf("cwd")).Costs(modules.Stat).To("file"),
		column("root", value.Text, "The directory that it takes for the root.", linkOf("root")).Costs(modules.Stat).To("file").On(unix...),
		ofStat("state", value.Text, "What it is doing.", func(s *stat) value.Value { return table.TextOf(s.stateName()) }).
			OneOf("running", "sleeping", "disk_sleep", "stopped", "traced", "zombie", "dead", "idle", "parked").On(unix...),
		column("started", value.Time, "When it was started.", startedAt).Shown(),
		ofStat("cpu_time", value.Duration, "The processor time that it has used, in its own code and in the kernel.",
			func(s *stat) value.Value { return value.NewDuration(s.cpu) }),
		ofStat("user_time", value.Duration, "The part of it in its own code.", func(s *stat) value.Value { return value.NewDuration(s.user) }).On(linux),
		ofStat("system_time", value.Duration, "The part of it in the kernel.", func(s *stat) value.Value { return value.NewDuration(s.system) }).On(linux),
		column("read_bytes", value.Size, "What it had read from disks.", ioCount("read_bytes")).Costs(modules.Stat).On(linux),
		column("written_bytes", value.Size, "What it had written to disks.", ioCount("write_bytes")).Costs(modules.Stat).On(linux),
		ofStat("memory", value.Size, "The main memory that it occupies.", func(s *stat) value.Value { return value.NewSize(s.resident * pageSize()) }),
		ofStat("virtual_memory", value.Size, "The size of its address space.", func(s *stat) value.Value { return value.NewSize(s.virtual) }),
		ofStat("threads", value.Int, "The number of its threads.", func(s *stat) value.Value { return value.NewInt(s.threads) }),
		ofStat("nice", value.Int, "Its niceness, from -20, which is served first, to 19.", func(s *stat) value.Value { return value.NewInt(s.nice) }).On(unix...),
		ofStat("tty", value.Text, "Its terminal, such as pts/0; null where it has none.", func(s *stat) value.Value { return table.TextOf(s.ttyName()) }).On(unix...),
		ofStat("process_group", value.Int, "The number of its process group.", func(s *stat) value.Value { return value.NewInt(s.group) }).On(unix...),
		ofStat("session", value.Int, "The number of the first process of its session.", func(s *stat) value.Value { return value.NewInt(s.session) }).To("process").On(unix...),
		ofStat("kernel", value.Bool, "Whether it is a thread of the kernel, or the kernel itself.", func(s *stat) value.Value { return value.NewBool(s.kernel()) }),
		ofInfo("uid", value.Int, "The number of the user who started it.", func(i *info) value.Value { return value.NewInt(i.uid) }).On(unix...),
		ofInfo("euid", value.Int, "The number of the user whose rights it has.", func(i *info) value.Value { return value.NewInt(i.euid) }).On(unix...),
		ofInfo("gid", value.Int, "The number of the group that it was started with.", func(i *info) value.Value { return value.NewInt(i.gid) }).On(unix...),
		ofInfo("egid", value.Int, "The number of the group whose rights it has.", func(i *info) value.Value { return value.NewInt(i.egid) }).On(unix...),
		ofInfo("saved_uid", value.Int, "The number of the user whose rights it can take back.", func(i *info) value.Value { return value.NewInt(i.savedUID) }).On(linux),
		ofInfo("saved_gid", value.Int, "The number of the group whose rights it can take back.", func(i *info) value.Value { return value.NewInt(i.savedGID) }).On(linux),
		ofInfo("groups", value.List, "The numbers of the further groups whose rights it has.", func(i *info) value.Value { return table.ListOf(i.groups, value.NewInt) }).Of(value.Int).On(unix...),
		ofInfo("capabilities", value.List, "The capabilities in effect, such as cap_net_admin.",
			func(i *info) value.Value { return table.ListOf(capabilityNames(i.capabilities), value.NewText) }).Of(value.Text).On(linux),
		ofInfo("seccomp", value.Text, "Whether its system calls are filtered.", func(i *info) value.Value { return table.TextOf(i.seccomp) }).
			OneOf("none", "strict", "filter").On(linux),
		ofInfo("no_new_privs", value.Bool, "Whether it can never gain rights by running something.", func(i *info) value.Value { return value.NewBool(i.noNewPrivs) }).On(linux),
		ofInfo("tracer", value.Int, "The number of the process that traces it; null for none.", tracerOf).To("process").On(linux),
		column("cgroup", value.Text, "Its control group; of several hierarchies the first that is not the root.", cgroupOf).Costs(modules.Stat).On(linux),
		column("container", value.Text, "The identity of the container that its control group names; null outside of one.", containerOf).Costs(modules.Stat).On(linux),
		column("namespaces", value.List, "The namespaces that it is in, such as net:[4026531840].", namespacesOf).Of(value.Text).Costs(modules.Read).On(linux),
		column("open_files", value.Int, "How many files, sockets and pipes it has open; on Windows all its handles, of threads and the registry, too.", openFiles).Costs(modules.Read).On(linux, windows),
		column("env", value.List, "The environment that it was started with, as NAME=value.", envList).Of(value.Text).Costs(modules.Read).Sensitive(),
		column("sid", value.Text, "The identity of the user that it runs as, such as S-1-5-18.", nothing).Costs(modules.Stat).On(windows),
		column("elevated", value.Bool, "Whether it has the full rights of an administrator.", nothing).Costs(modules.Stat).On(windows),
		column("session_number", value.Int, "The number of the session in which it has its windows; that of services is 0.", nothing).On(windows),
	}
}

// column makes a column of a process. An error that was reported with another
// column of the same file makes it null and is not reported again.
func column(name string, t value.Type, doc string, get func(*proc) (value.Value, error)) table.Column[proc] {
	return table.Computed(name, t, doc, func(_ *table.Scan, p *proc) (value.Value, error) {
		ask := get
		if p.system != nil {
			ask = func(p *proc) (value.Value, error) { return p.system.column(name) }
		}
		v, err := ask(p)
		if err == errTold {
			return value.Value{}, nil
		}
		return v, err
	})
}

// nothing is what Linux has for a column of another system.
func nothing(*proc) (value.Value, error) { return value.Value{}, nil }

func ofStat(name string, t value.Type, doc string, get func(*stat) value.Value) table.Column[proc] {
	return column(name, t, doc, func(p *proc) (value.Value, error) {
		s, err := p.stats()
		if err != nil {
			return value.Value{}, err
		}
		return get(s), nil
	})
}

func ofInfo(name string, t value.Type, doc string, get func(*info) value.Value) table.Column[proc] {
	return column(name, t, doc, func(p *proc) (value.Value, error) {
		i, err := p.infos()
		if err != nil {
			return value.Value{}, err
		}
		return get(i), nil
	}).Costs(modules.Stat)
}

func pageSize() int64 { return int64(os.Getpagesize()) }

func userName(p *proc) (value.Value, error) {
	euid, err := p.euid()
	if err != nil {
		return value.Value{}, err
	}
	return table.TextOf(p.user(euid)), nil
}

// euid gives the user whose rights a process has. On a live machine the
// directory of the process is that user's, for the very reason that the file
// which says so is slow to read.
func (p *proc) euid() (int64, error) {
	if uid, ok := p.dir.Owner(); ok {
		return uid, nil
	}
	i, err := p.infos()
	if err != nil {
		return 0, err
	}
	return i.euid, nil
}

func tracerOf(i *info) value.Value {
	if i.tracer == 0 {
		return value.Value{}
	}
	return value.NewInt(i.tracer)
}

func commandLine(p *proc) (value.Value, error) {
	args, err := p.argv()
	if err != nil {
		return value.Value{}, err
	}
	return table.TextOf(strings.Join(*args, " ")), nil
}

func argList(p *proc) (value.Value, error) {
	args, err := p.argv()
	if err != nil {
		return value.Value{}, err
	}
	return table.ListOf(*args, value.NewText), nil
}

func startedAt(p *proc) (value.Value, error) {
	s, err := p.stats()
	if err != nil {
		return value.Value{}, err
	}
	boot, err := p.booted()
	if err != nil {
		return value.Value{}, err
	}
	return value.NewTime(boot.Add(time.Duration(s.started) * (time.Second / ticks))), nil
}

// deletedMark is what the kernel puts behind the path of a file that is gone.
const deletedMark = " (deleted)"

// executable gives the path of the file that a process runs, as it sees it
// itself, and whether that is gone; "" for threads of the kernel.
func (p *proc) executable() (path string, deleted bool, err error) {
	if p.spaceless() {
		return "", false, nil
	}
	path, err = p.dir.Readlink("exe")
	if cut, ok := strings.CutSuffix(path, deletedMark); ok && !p.FS.Exists(path) {
		return cut, true, err
	}
	return path, false, err
}

func exePath(p *proc) (value.Value, error) {
	path, _, err := p.executable()
	return table.TextOf(path), err
}

func exeDeleted(p *proc) (value.Value, error) {
	path, deleted, err := p.executable()
	if err != nil || path == "" {
		return value.Value{}, err
	}
	return value.NewBool(deleted), nil
}

func exeLink(p *proc) (value.Value, error) {
	path, _, err := p.executable()
	if err != nil || path == "" {
		return value.Value{}, err
	}
	prefix, err := p.elsewhere()
	if err != nil {
		return value.Value{}, err
	}
	return value.NewText(prefix + path), nil
}

// elsewhere gives what has to stand before a path of a process that sees
// another tree of files than the host, so that the host finds it.
func (p *proc) elsewhere() (string, error) {
	if !p.FS.Live() {
		return "", nil
	}
	if p.mounts == "" {
		own, err := p.FS.Readlink("/proc/self/ns/mnt")
		if err != nil {
			return "", err
		}
		p.mounts = own
	}
	theirs, err := p.dir.Readlink("ns/mnt")
	if err != nil {
		return "", err
	}
	root, err := p.dir.Readlink("root")
	if err != nil {
		return "", err
	}
	if theirs == p.mounts && root == "/" {
		return "", nil
	}
	return "/proc/" + strconv.FormatInt(p.pid, 10) + "/root", nil
}

// linkOf reads a link of the process, whose target is on the host's own tree.
func linkOf(name string) func(*proc) (value.Value, error) {
	return func(p *proc) (value.Value, error) {
		to, err := p.dir.Readlink(name)
		if err != nil {
			return value.Value{}, err
		}
		prefix := ""
		if name != "root" {
			if prefix, err = p.elsewhere(); err != nil {
				return value.Value{}, err
			}
		}
		if cut, ok := strings.CutSuffix(to, deletedMark); ok && !p.FS.Exists(to) {
			to = cut
		}
		return table.TextOf(prefix + to), nil
	}
}
