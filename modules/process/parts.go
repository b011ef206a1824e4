package process

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// locator is that of what belongs to processes.
func locator() modules.Locator {
	return modules.Locator{
		Use: modules.LocatorOptional, Column: "process",
		Doc: "the number of a process, or a glob of names of processes", Example: "'ssh*'",
	}
}

// within makes a lister of what each located process has. That its part of a
// process cannot be looked at is reported once for each.
func within[T any](what string, list func(p *proc, yield func(*T) error) error) table.Lister[T] {
	return func(s *table.Scan, yield func(*T) error) error {
		if without(s, what) {
			return nil
		}
		return each(s, func(p *proc) error {
			stopped := error(nil)
			err := list(p, func(x *T) error {
				stopped = yield(x)
				return stopped
			})
			if stopped != nil {
				return stopped
			}
			if err != nil && err != errTold {
				s.Fail(label(p.pid)+": "+what, err)
			}
			return nil
		})
	}
}

// A variable is one of an environment.
type variable struct {
	pid         int64
	name, value string
}

func environment() modules.Module {
	return table.New(modules.Schema{
		Name: "environment", Doc: "The environment that processes were started with: one row for each variable.",
		Key: "process", Locator: locator(), Processes: true,
	}, []table.Column[variable]{
		table.Int("process", "The process.", func(v *variable) int64 { return v.pid }).To("process").Shown(),
		table.Text("name", "The name of the variable.", func(v *variable) string { return v.name }).Shown(),
		table.Text("value", "What it is set to.", func(v *variable) string { return v.value }).Sensitive(),
	}, within("environment", func(p *proc, yield func(*variable) error) error {
		list, err := p.environ()
		if err != nil {
			return err
		}
		for _, entry := range list {
			name, text, _ := strings.Cut(entry, "=")
			if err := yield(&variable{p.pid, name, text}); err != nil {
				return err
			}
		}
		return nil
	})).By()
}

// A task is a thread.
type task struct {
	pid, tid int64
	stat     stat
	started  time.Time // where the system says so, in the place of stat.started
	unnamed  bool      // it has neither a name nor a niceness here
}

func thread() modules.Module {
	return table.New(modules.Schema{
		Name: "thread", Doc: "The threads of processes.", Key: "process", Locator: locator(), Processes: true,
	}, []table.Column[task]{
		table.Int("process", "The process.", func(t *task) int64 { return t.pid }).To("process").Shown(),
		table.Int("tid", "The number of the thread; that of the first is the number of the process.", func(t *task) int64 { return t.tid }).Shown(),
		table.Text("name", "Its name, of at most 15 bytes; it may give itself any.", func(t *task) string { return t.stat.name }).Shown().On("linux"),
		table.Text("state", "What it is doing.", func(t *task) string { return t.stat.stateName() }).Shown().
			OneOf("running", "sleeping", "disk_sleep", "stopped", "traced", "zombie", "dead", "idle", "parked"),
		table.Value("cpu_time", value.Duration, "The processor time that it has used.", func(t *task) value.Value { return value.NewDuration(t.stat.cpu) }).Shown(),
		table.Value("nice", value.Int, "Its niceness, from -20, which is served first, to 19.", func(t *task) value.Value {
			if t.unnamed {
				return value.Value{}
			}
			return value.NewInt(t.stat.nice)
		}).On("linux"),
		table.Value("age", value.Duration, "The time from the start of the system to its own start.", func(t *task) value.Value {
			if t.unnamed {
				return value.Value{}
			}
			return value.NewDuration(time.Duration(t.stat.started) * (time.Second / ticks))
		}).On("linux"),
		table.Time("started", "When it was started.", func(t *task) time.Time { return t.started }).On("windows"),
	}, within("threads", func(p *proc, yield func(*task) error) error {
		if p.system != nil {
			return p.system.threads(yield)
		}
		dir, err := p.dir.OpenDir("task")
		if err != nil {
			return err
		}
		defer dir.Close()
		return eachNumber(dir, func(tid int64, name string) error {
			text, err := dir.Append(p.buffer[:0], name+"/stat", maxFile)
			p.buffer = text[:0]
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it ended, as threads do
			}
			if err != nil {
				return err
			}
			st, err := parseStat(text)
			if err != nil {
				return err
			}
			return yield(&task{pid: p.pid, tid: tid, stat: st})
		})
	})).By()
}

// eachNumber calls yield for the entries of a directory that are numbers, in
// their order.
func eachNumber(dir *hostfs.Dir, yield func(n int64, name string) error) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	numbers := make([]int64, 0, len(names))
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 31); err == nil {
			numbers = append(numbers, int64(n))
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if err := yield(n, strconv.FormatInt(n, 10)); err != nil {
			return err
		}
	}
	return nil
}
