package sandbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/quaestor-engine/quaestor/plan"
)

// Where systemd has given the agent's service a control group of its own
// (Delegate=yes), the agent moves itself into a leaf of it and its children
// into one beside, whose bounds the kernel holds for all of them together.
// Groups that are not the agent's are left alone: everything works without.

// The leaves of the service's group.
const (
	agentLeaf = "agent"
	scanLeaf  = "scan"
)

// A Group is the control group of children.
type Group struct {
	top  string   // the folder of the service's
	scan *os.File // the folder of theirs
	note string
}

// GroupBounds are what children may use together.
type GroupBounds struct {
	Memory int64   // bytes; 0: no bound but the service's
	Plans  int     // at once
	IO     plan.IO // the best class that a plan may have
}

var (
	errNoGroups     = errors.New("there is no control group of the second kind here")
	errNotDelegated = errors.New("it is not delegated to the agent, or systemd is older than 251 and does not say so")
)

// groupName says in which control group of the second kind this process is; ""
// where nobody can say.
func groupName() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return groupOf(string(b))
}

// groupOf reads the name of a group out of a file cgroup of a process.
func groupOf(text string) string {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// folderOf gives the folder of a group, by the mounts that a process has.
func folderOf(mountinfo, name string) (string, error) {
	err := errNoGroups
	for line := range strings.Lines(mountinfo) {
		mount, rest, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if kind, _, _ := strings.Cut(rest, " "); !ok || kind != "cgroup2" || len(fields) < 6 {
			continue
		}
		below, ok := strings.CutPrefix(name, strings.TrimSuffix(fields[3], "/"))
		if !ok || below != "" && below[0] != '/' {
			continue
		}
		if strings.HasPrefix(fields[5]+",", "ro,") {
			err = errors.New("its folder is read-only here")
			continue
		}
		return path.Join(fields[4], below), nil
	}
	return "", err
}

// ownGroup gives the folder of the group that is the agent's own: that of this
// process, or the one above where an earlier life has moved it into its leaf.
func ownGroup(name string) (string, error) {
	if name == "" {
		return "", errNoGroups
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	top, err := folderOf(string(b), name)
	if err != nil {
		return "", err
	}
	for _, dir := range []string{top, filepath.Dir(top)} {
		if delegated(dir) {
			return dir, nil
		}
		if filepath.Base(dir) != agentLeaf {
			break
		}
	}
	return "", errNotDelegated
}

// NewGroup moves this process, and what it has started, out of the group that
// was delegated to it into a leaf of that, and makes one beside it for children.
// A group in which others are, too, is left as it is. It gives nil where there
// is none of its own; the words say what is so in either case.
func NewGroup(b GroupBounds) (*Group, string) {
	if runtime.GOOS != "linux" {
		return nil, "there are none on " + runtime.GOOS
	}
	name := groupName()
	top, err := ownGroup(name)
	if err == nil {
		var g *Group
		if g, err = makeGroup(top, b); err == nil {
			return g, g.note
		}
	}
	return nil, fmt.Sprintf("%s, of the agent and its children together: %v", cmp.Or(name, "unknown"), err)
}

// GroupOf gives the children's group of an agent that runs in another process,
// for who wants to see what its service keeps children from; nil where it has
// none, or where this process may not put any into it.
func GroupOf(agent int) *Group {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", agent))
	if err != nil {
		return nil
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	leaf, err := folderOf(string(mounts), groupOf(string(text)))
	if err != nil || filepath.Base(leaf) != agentLeaf {
		return nil
	}
	top := filepath.Dir(leaf)
	may, err := os.OpenFile(filepath.Join(top, scanLeaf, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	_ = may.Close() // nothing was written
	scan, err := os.Open(filepath.Join(top, scanLeaf))
	if err != nil {
		return nil
	}
	return &Group{top: top, scan: scan}
}

// makeGroup makes the leaves below a group.
func makeGroup(top string, b GroupBounds) (*Group, error) {
	if err := alone(top); err != nil {
		return nil, err
	}
	scan, agent := filepath.Join(top, scanLeaf), filepath.Join(top, agentLeaf)
	for _, dir := range []string{agent, scan} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	if err := moveAll(top, agent); err != nil {
		return nil, err
	}
	there, err := os.ReadFile(filepath.Join(top, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, c := range strings.Fields(string(there)) {
		if slices.Contains([]string{"cpu", "io", "memory", "pids"}, c) {
			// One that cannot be had is told by its bounds, which cannot be set.
			_ = set(filepath.Join(top, "cgroup.subtree_control"), "+"+c)
		}
	}
	var held, missing []string
	for _, s := range b.settings() {
		if err := set(filepath.Join(scan, s.file), s.value); err != nil {
			missing = append(missing, s.file)
		} else {
			held = append(held, s.file+" "+s.value)
		}
	}
	g := &Group{top: top}
	if g.scan, err = os.Open(scan); err != nil {
		return nil, err
	}
	g.note = scan + ", of the children alone"
	if len(held) > 0 {
		g.note += ": " + strings.Join(held, ", ")
	}
	if len(missing) > 0 {
		g.note += "; not to be had here: " + strings.Join(missing, ", ")
	}
	return g, nil
}

// alone says whether nobody is in a group but this process and what it has
// started. A container's group may be delegated, and hold all that runs there.
func alone(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(b)) {
		if !descends(pid) {
			return fmt.Errorf("others are in it, too: process %s", pid)
		}
	}
	return nil
}

// descends says whether a process is this one, or was started by it or by what
// it has started. One that has ended is nobody's.
func descends(pid string) bool {
	self := strconv.Itoa(os.Getpid())
	for pid != self {
		b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			return errors.Is(err, os.ErrNotExist)
		}
		// Behind the name, which may hold anything: the state, and the parent.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) < 2 || fields[1] == "0" {
			return false
		}
		pid = fields[1]
	}
	return true
}

// moveAll moves the processes of a group into one of its leaves: a group that
// has processes of its own can give its leaves no bounds.
func moveAll(from, to string) error {
	const rounds = 10 // a process may start another one meanwhile
	for range rounds {
		b, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
		if err != nil {
			return err
		}
		list := strings.Fields(string(b))
		if len(list) == 0 {
			return nil
		}
		for _, pid := range list {
			if err := set(filepath.Join(to, "cgroup.procs"), pid); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	return fmt.Errorf("%s does not become empty", from)
}

// take moves a child into the group where it could not begin in it: a unit with
// RestrictNamespaces has no clone3, by which that is done. The child has been
// told nothing yet, and does nothing.
func (g *Group) take(pid int) error {
	err := set(filepath.Join(g.scan.Name(), "cgroup.procs"), strconv.Itoa(pid))
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has ended, which whoever waits for it is told
	}
	return err
}

// set writes a file of a group, each of which takes one write.
func set(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// A setting is a file of a group and what it is to hold.
type setting struct{ file, value string }

const (
	// childThreads are more than a child ever has: Go makes one for each system
	// call that waits. It can start no process.
	childThreads = 256
	// scanWeight is the part that children have of a processor beside the 100 of
	// the agent, who is to stop them when they have had enough.
	scanWeight = 25
	// highestMargin is the least that lies between the memory from which the
	// kernel takes back what it keeps of files, and slows whoever wants more, and
	// the memory that nobody gets.
	highestMargin = 64 << 20
)

// settings are what the children's group is to hold.
func (b GroupBounds) settings() []setting {
	list := []setting{
		{"pids.max", strconv.Itoa((2*b.Plans + 1) * childThreads)}, // one that waits, and two for a plan that sends
		{"cpu.weight", strconv.Itoa(scanWeight)},
		{"io.weight", strconv.Itoa(ioWeight(b.IO))},
	}
	if b.Memory > 0 {
		list = append(list,
			setting{"memory.high", strconv.FormatInt(b.Memory, 10)},
			setting{"memory.max", strconv.FormatInt(b.Memory+max(b.Memory/4, highestMargin), 10)})
	}
	return list
}

// ioWeight is the part that children have of a disk, of the 100 of others.
func ioWeight(c plan.IO) int {
	switch c {
	case plan.IONormal:
		return 100
	case plan.IOLow:
		return 50
	}
	return 10
}

// pressed counts how often groups had no memory left, and somebody in them was
// ended.
type pressed struct{ scan, service int64 }

// pressed gives the counts until now; none where there is no group.
func (g *Group) pressed() pressed {
	if g == nil {
		return pressed{}
	}
	return pressed{outOfMemory(g.scan.Name()), outOfMemory(g.top)}
}

// outOfMemory counts how often a group, or one below it, had no memory left.
func outOfMemory(dir string) int64 {
	b, err := os.ReadFile(filepath.Join(dir, "memory.events"))
	if err != nil {
		return 0 // without its controller it has no bound
	}
	return countOf(string(b), "oom")
}

// whose says whose memory was used up, when the kernel killed a child.
func (g *Group) whose(before pressed) string {
	switch now := g.pressed(); {
	case now.scan > before.scan:
		return "the processes that look held more memory together than their control group lets them"
	case now.service > before.service:
		return "the agent's service held more memory than its control group lets it"
	}
	return "this machine had no memory left"
}

// Close lets go of the group, which stays as long as the service.
func (g *Group) Close() error {
	if g == nil {
		return nil
	}
	return g.scan.Close()
}
