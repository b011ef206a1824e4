package sandbox

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
)

// A service can be shown something else than the machine has: systemd mounts an
// empty folder over what is to be hidden from it (InaccessiblePaths,
// ProtectHome, ProtectKernelModules), or a folder of its own (PrivateTmp). That
// looks like any other folder, and an empty one answers "nothing is there". So
// what such a mount is over is told as kept from being looked at, by whom, and
// is not looked at.

// shadowDetail says why something in a shadow was left out.
const shadowDetail = "the service of the agent is shown something else here than the machine has"

// Shadows gives the places that this process sees otherwise than the first
// process of the machine: none where both see the same, and where their roots
// differ, as in a container, whose agent looks at the container.
func Shadows() []string {
	list := shadowsNow()
	if len(list) == 0 {
		return nil
	}
	// Something may have been mounted between one list and the other.
	again := shadowsNow()
	return slices.DeleteFunc(list, func(at string) bool { return !slices.Contains(again, at) })
}

func shadowsNow() []string {
	first, err := os.ReadFile("/proc/1/mountinfo")
	if err != nil {
		return nil // no Linux, or one that says nothing of others: there is nothing to compare with
	}
	own, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || string(own) == string(first) {
		return nil
	}
	return shadows(parseMounts(string(own)), parseMounts(string(first)))
}

// A mount is one line of mountinfo, as far as it says what is where.
type mount struct{ device, root, at, kind string }

// parseMounts reads mountinfo (proc_pid_mountinfo(5)).
func parseMounts(text string) []mount {
	var list []mount
	for line := range strings.Lines(text) {
		head, tail, _ := strings.Cut(line, " - ")
		f := strings.Fields(head)
		kind, _, _ := strings.Cut(tail, " ")
		if len(f) >= 5 {
			list = append(list, mount{f[2], unescapeMount(f[3]), unescapeMount(f[4]), kind})
		}
	}
	return list
}

// places finds mounts by where they are. Of several at one place the last is the
// one that is seen.
type places map[string]mount

func placesOf(list []mount) places {
	p := make(places, len(list))
	for _, m := range list {
		p[m.at] = m
	}
	return p
}

// of gives the mount in which a clean path is, and the path in its file system.
func (p places) of(name string) (m mount, inside string) {
	for at := name; ; at = path.Dir(at) {
		if m, ok := p[at]; ok || at == path.Dir(at) {
			rest, _ := below(name, at)
			return m, path.Join(m.root, rest)
		}
	}
}

// states are the kinds of file systems that show the state of the kernel: each
// mount of one shows the same, whatever its number is.
var states = []string{"cgroup", "cgroup2", "proc", "sysfs"}

// shadows gives the places at which two processes see different files, without
// those below others.
func shadows(own, first []mount) []string {
	ours, theirs := placesOf(own), placesOf(first)
	same := func(name string) bool {
		a, x := ours.of(name)
		b, y := theirs.of(name)
		return x == y && (a.device == b.device || a.kind == b.kind && slices.Contains(states, a.kind))
	}
	if !same("/") {
		return nil
	}
	var all []string
	for _, m := range slices.Concat(own, first) {
		if !same(m.at) {
			all = append(all, m.at)
		}
	}
	slices.Sort(all)
	var list []string
	for _, at := range all {
		if !within(list, at) {
			list = append(list, at)
		}
	}
	return list
}

// within says whether a path is one of some, or below one.
func within(list []string, name string) bool {
	return slices.ContainsFunc(list, func(at string) bool { _, ok := below(name, at); return ok })
}

// shaded adds what is in shadows to what is denied.
func shaded(deny func(string) bool, in []string) func(string) bool {
	if len(in) == 0 {
		return deny
	}
	return func(name string) bool { return within(in, name) || deny != nil && deny(name) }
}

// tellShadows gives what was left out with the reason of what is in shadows.
func tellShadows(first []modules.Skip, in []string) {
	for i, s := range first {
		if within(in, s.Where) {
			first[i].Detail = shadowDetail
		}
	}
}

// below gives what is left of a path below a folder.
func below(name, dir string) (rest string, ok bool) {
	if dir == "/" {
		return name, strings.HasPrefix(name, "/")
	}
	rest, ok = strings.CutPrefix(name, dir)
	return rest, ok && dir != "" && (rest == "" || rest[0] == '/')
}

// unescapeMount reads the escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
