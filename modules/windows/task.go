package windows

import (
	"encoding/binary"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/regf"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// A task is one action of a task of the scheduler.
type task struct {
	name   string
	path   string     // of its file; "" where there is none
	file   *taskFile  // nil where there is none, or none that could be read
	cached *taskCache // nil where the registry has none
	action taskAction
	reg    *registry.Registry
	cache  bool // the registry could be asked
	zone   *time.Location
}

// A taskCache is what the registry knows of a task, by which the scheduler
// works.
type taskCache struct {
	name             string
	secured          bool // it says who may see it
	created, lastRun time.Time
	actions          []byte
	seen             bool
}

// Where a task stands.
const (
	inBoth     = "both"
	inFile     = "file"
	inRegistry = "registry"
)

func taskModule() modules.Module {
	return table.New(modules.Schema{
		Name: "scheduled_task", Doc: "The tasks of the Windows scheduler, a row for each action, from their files and from the registry, which has to know the same. Those of Windows XP (.job) are not read.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names, which have the form of paths", Example: "'/Microsoft/**'"},
	}, []table.Column[task]{
		table.Text("name", `The name of the task with its folders, with slashes: /Microsoft/Windows/Defrag/ScheduledDefrag.`, func(t *task) string { return t.name }).Shown(),
		table.Value("enabled", value.Bool, "Whether it may run; null where it has no file.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value { return value.NewBool(!isWord(f.Settings.Enabled, "false")) })
		}).Shown(),
		table.Text("action", "What it does: exec runs a program, comhandler calls a class of COM.", func(t *task) string { return strings.ToLower(t.action.XMLName.Local) }),
		table.Text("command", "The program and its arguments, as they are written; the class and its data.", (*task).command).Shown(),
		table.Computed("program", value.Text, "The file that runs; of a class of COM the library or program that the registry names.", func(_ *table.Scan, t *task) (value.Value, error) {
			return table.TextOf(t.program()), nil
		}).To("file").Costs(modules.Stat),
		table.Text("directory", "The folder in which it runs.", func(t *task) string { return t.action.Directory }),
		table.Value("user", value.Text, "As whom it runs: a user, a group, or a security identifier.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value {
				for _, p := range f.Principals.List {
					if p.UserID+p.GroupID != "" {
						return value.NewText(p.UserID + p.GroupID)
					}
				}
				return value.Value{}
			})
		}).Shown(),
		table.Value("elevated", value.Bool, "Whether it asks for the highest rights.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value {
				return value.NewBool(slices.ContainsFunc(f.Principals.List, func(p taskPrincipal) bool { return isWord(p.RunLevel, "HighestAvailable") }))
			})
		}),
		table.Value("triggers", value.List, "What starts it, such as logon, boot, or time 2026-11-20T10:00:00 every PT1H.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value {
				return table.ListOf(f.Triggers.List, func(t taskTrigger) value.Value { return value.NewText(t.String()) })
			})
		}).Of(value.Text).Shown(),
		table.Value("hidden", value.Bool, "Whether it asks not to be shown.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value { return value.NewBool(isWord(f.Settings.Hidden, "true")) })
		}),
		table.Value("listed", value.Bool, "Whether the registry says who may see it; a task without that runs and no tool shows it. Null where the registry has no such task.", func(t *task) value.Value {
			if t.cached == nil {
				return value.Value{}
			}
			return value.NewBool(t.cached.secured)
		}),
		table.Text("stands", "Where it stands: in both, as it should be; in its file alone, and does not run; in the registry alone, and runs. Null where there is no registry to ask.", (*task).stands).OneOf(inBoth, inFile, inRegistry),
		table.Value("author", value.Text, "Who made it, as it says.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value { return table.TextOf(f.Info.Author) })
		}),
		table.Value("description", value.Text, "What it is for.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value { return table.TextOf(f.Info.Description) })
		}),
		table.Value("registered", value.Time, "When it was made, as it says; without a zone that of the machine, or UTC in a tree.", func(t *task) value.Value {
			return t.said(func(f *taskFile) value.Value { return table.TimeOf(taskTime(f.Info.Date, t.zone)) })
		}),
		table.Value("created", value.Time, "When it was made, as the registry knows.", func(t *task) value.Value {
			return t.known(func(c *taskCache) value.Value { return table.TimeOf(c.created) })
		}),
		table.Value("last_run", value.Time, "When it ran the last time.", func(t *task) value.Value {
			return t.known(func(c *taskCache) value.Value { return table.TimeOf(c.lastRun) })
		}),
		table.Text("path", "Its file.", func(t *task) string { return t.path }).To("file").Shown(),
	}, listTasks)
}

func isWord(text, word string) bool { return strings.EqualFold(strings.TrimSpace(text), word) }

// said makes a value of a task's file.
func (t *task) said(get func(*taskFile) value.Value) value.Value {
	if t.file == nil {
		return value.Value{}
	}
	return get(t.file)
}

// known makes a value of what the registry knows.
func (t *task) known(get func(*taskCache) value.Value) value.Value {
	if t.cached == nil {
		return value.Value{}
	}
	return get(t.cached)
}

func (t *task) command() string {
	if t.action.ClassID != "" {
		return strings.TrimSpace(t.action.ClassID + " " + t.action.Data)
	}
	return strings.TrimSpace(strings.TrimSpace(t.action.Command) + " " + strings.TrimSpace(t.action.Arguments))
}

func (t *task) program() string {
	if t.action.ClassID == "" {
		return t.reg.Program(`"`+strings.Trim(strings.TrimSpace(t.action.Command), `"`)+`"`, "")
	}
	class := t.reg.Key(`HKLM\SOFTWARE\Classes\CLSID\` + strings.TrimSpace(t.action.ClassID))
	if class == nil {
		return ""
	}
	for _, server := range [...]string{"InprocServer32", "LocalServer32"} {
		if k := class.Sub(server); k != nil {
			if text := k.Text(""); text != "" {
				return t.reg.Program(text, "")
			}
		}
	}
	return ""
}

func (t *task) stands() string {
	switch {
	case !t.cache:
		return ""
	case t.cached == nil:
		return inFile
	case t.path == "":
		return inRegistry
	}
	return inBoth
}

const taskFolder = "/Windows/System32/Tasks"

func listTasks(s *table.Scan, yield func(*task) error) error {
	if s.FS.Live() && runtime.GOOS != "windows" {
		s.Skip(modules.SkipUnsupported, "scheduled_task", "there is no such scheduler on this system")
		return nil
	}
	reg := registry.Open(s.FS)
	defer reg.Close()
	w := &taskWalk{Scan: s, reg: reg, yield: yield, zone: time.UTC}
	if s.FS.Live() {
		w.zone = time.Local
	}
	w.cached()
	dir, _ := s.FS.Windows(taskFolder)
	if s.FS.Exists(dir) {
		if err := w.folder(dir, "", 0); err != nil {
			return err
		}
	}
	return w.rest()
}

// taskWalk goes through the files of tasks, and then through those of which
// only the registry knows.
type taskWalk struct {
	*table.Scan
	reg   *registry.Registry
	yield func(*task) error
	zone  *time.Location
	known map[string]*taskCache // by name in lower case; nil where there is no registry
	order []*taskCache
}

const maxTaskDepth = 32 // folders of tasks in each other

func (w *taskWalk) folder(dir, name string, depth int) error {
	if depth > maxTaskDepth {
		w.Skip(modules.SkipTooDeep, dir, "")
		return nil
	}
	entries, err := w.FS.ReadDir(dir)
	if err != nil {
		w.Fail(dir, err)
	}
	for _, e := range entries {
		at, called := path.Join(dir, e.Name()), name+"/"+e.Name()
		if e.IsDir() {
			if err := w.folder(at, called, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := w.file(at, called); err != nil {
			return err
		}
	}
	return w.Context().Err()
}

func (w *taskWalk) file(at, name string) error {
	t := task{name: name, path: at, reg: w.reg, cache: w.known != nil, zone: w.zone, cached: w.known[strings.ToLower(name)]}
	if t.cached != nil {
		t.cached.seen = true
	}
	b, err := w.FS.Append(nil, at, maxTask)
	if err == nil {
		t.file, err = parseTask(b)
	}
	if err != nil {
		w.Fail(at, err)
		if t.cached == nil {
			return nil
		}
		return w.actions(&t) // the registry knows what it does
	}
	return w.each(&t, t.file.Actions.List)
}

// each gives a row for each action of a task, or one for a task without.
func (w *taskWalk) each(t *task, actions []taskAction) error {
	if len(actions) == 0 {
		return w.yield(t)
	}
	for _, t.action = range actions {
		if err := w.yield(t); err != nil {
			return err
		}
	}
	return nil
}

// actions gives the rows of a task from what the registry knows.
func (w *taskWalk) actions(t *task) error {
	actions, err := parseActions(t.cached.actions)
	if err != nil {
		w.Fail(cacheKey+`\Tasks `+t.name, err)
	}
	return w.each(t, actions)
}

func (w *taskWalk) rest() error {
	for _, c := range w.order {
		if c.seen {
			continue
		}
		if err := w.actions(&task{name: c.name, cached: c, cache: true, reg: w.reg, zone: w.zone}); err != nil {
			return err
		}
	}
	return nil
}

const cacheKey = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache`

// cached reads what the registry knows of tasks.
func (w *taskWalk) cached() {
	cache := w.reg.Key(cacheKey)
	if cache == nil {
		return
	}
	w.known = map[string]*taskCache{}
	tasks := map[string]*registry.Key{}
	if k := cache.Sub("Tasks"); k != nil {
		for t := range k.Subkeys() {
			tasks[strings.ToLower(t.Name())] = t
		}
	}
	if tree := cache.Sub("Tree"); tree != nil {
		w.tree(tree, "", tasks, 0)
	}
}

func (w *taskWalk) tree(k *registry.Key, name string, tasks map[string]*registry.Key, depth int) {
	if depth > maxTaskDepth {
		w.Skip(modules.SkipTooDeep, k.Path, "")
		return
	}
	for sub := range k.Subkeys() {
		called := name + "/" + sub.Name()
		if id := sub.Text("Id"); id != "" {
			c := &taskCache{name: called}
			sd, ok := sub.Bytes("SD")
			c.secured = ok && len(sd) > 0
			if t := tasks[strings.ToLower(id)]; t != nil {
				c.actions, _ = t.Bytes("Actions")
				if info, ok := t.Bytes("DynamicInfo"); ok && len(info) >= 20 {
					c.created = regf.Filetime(binary.LittleEndian.Uint64(info[4:]))
					c.lastRun = regf.Filetime(binary.LittleEndian.Uint64(info[12:]))
				}
			}
			w.known[strings.ToLower(called)] = c
			w.order = append(w.order, c)
		}
		w.tree(sub, called, tasks, depth+1)
	}
}
