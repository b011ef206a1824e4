package machine

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A container is one of any runtime. What its runtime does not write down is
// nil or empty.
type container struct {
	id, name, runtime, user, image, imageID, state, path string
	command, mounts, ports, labels                       []string
	pid                                                  int64 // 0 where it does not run
	created, started, finished                           time.Time
	privileged, hostNetwork                              *bool
}

func containers() modules.Module {
	return table.New(modules.Schema{
		Name: "container", Key: "id",
		Doc:     "The containers of Docker, Podman, CRI-O and LXC, and those of containerd that run, as their runtimes write them down.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "web-*"},
	}, []table.Column[container]{
		table.Text("id", "Its identifier; of LXC its name.", func(c *container) string { return c.id }).Shown(),
		table.Text("name", "Its name; null where its runtime gives it none.", func(c *container) string { return c.name }).Shown(),
		table.Text("runtime", "Who keeps it.", func(c *container) string { return c.runtime }).Shown().OneOf("docker", "podman", "cri-o", "containerd", "lxc"),
		table.Text("user", "The user in whose home it is kept; null for one of the system.", func(c *container) string { return c.user }).To("user"),
		table.Text("image", "The name of its image; of LXC the directory of its files.", func(c *container) string { return c.image }).Shown(),
		table.Text("image_id", "The identifier of its image, in hexadecimal digits.", func(c *container) string { return c.imageID }).To("image"),
		known("command", "What it runs, as a list of arguments.", func(c *container) []string { return c.command }).Shown(),
		table.Text("state", "How it was when its runtime last wrote that down, or whether its process is there: running, paused, restarting, created, exited, dead or stopped.", func(c *container) string { return c.state }).Shown(),
		table.Value("process", value.Int, "Its first process; null where it does not run.", func(c *container) value.Value {
			if c.pid == 0 {
				return value.Value{}
			}
			return value.NewInt(c.pid)
		}).Shown().To("process"),
		table.Time("created", "When it was made.", func(c *container) time.Time { return c.created }),
		table.Time("started", "When it was last started.", func(c *container) time.Time { return c.started }),
		table.Time("finished", "When it last ended.", func(c *container) time.Time { return c.finished }),
		maybe("privileged", "Whether it is hardly kept apart from the host: so it was started, or it may load modules and nothing of /proc is hidden from it; of LXC, whether root in it is root.", func(c *container) *bool { return c.privileged }).Shown(),
		maybe("host_network", "Whether it uses the network of the host.", func(c *container) *bool { return c.hostNetwork }),
		known("mounts", "What of the host is mounted in it, as in /source:/destination:ro.", func(c *container) []string { return c.mounts }),
		known("ports", "Which of its ports the host passes on, as in 0.0.0.0:8080->80/tcp.", func(c *container) []string { return c.ports }),
		known("labels", "Its labels or annotations, as in name=value.", func(c *container) []string { return c.labels }),
		table.Text("path", "The file in which this stands.", func(c *container) string { return c.path }).To("file"),
	}, listContainers)
}

// known is a column of a list that is null where nothing is known, which is
// not the same as an empty one.
func known[T any](name, doc string, get func(*T) []string) table.Column[T] {
	return table.Value(name, value.List, doc, func(x *T) value.Value {
		list := get(x)
		if list == nil {
			return value.Value{}
		}
		return table.ListOf(list, value.NewText)
	}).Of(value.Text)
}

// maybe is a column of a truth that is null where it is not known.
func maybe[T any](name, doc string, get func(*T) *bool) table.Column[T] {
	return table.Value(name, value.Bool, doc, func(x *T) value.Value {
		b := get(x)
		return whether(b != nil && *b, b != nil)
	})
}

// listContainers goes from runtime to runtime. Docker's containers are known
// to containerd as well, and are left out there.
func listContainers(s *table.Scan, yield func(*container) error) error {
	if !linux(s) {
		return nil
	}
	seen := map[string]bool{}
	k := &keepers{s, homes(s)}
	for _, list := range []func(func(*container) error) error{k.docker, k.stored, k.tasks, k.lxc} {
		err := list(func(c *container) error {
			if seen[c.id] {
				return nil
			}
			seen[c.id] = true
			return yield(c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepers are the runtimes that keep containers and images, of the system and
// of users in their homes.
type keepers struct {
	*table.Scan
	users []account.User
}

// homes gives the users who have a home, one for each.
func homes(s *table.Scan) []account.User {
	seen := map[string]bool{"": true, "/": true}
	return slices.DeleteFunc(account.Users(s.FS), func(u account.User) bool {
		home := path.Clean(u.Home)
		was := seen[home] || u.Home == ""
		seen[home] = true
		return was
	})
}

// docker reads the directories of Docker's containers.
func (k *keepers) docker(yield func(*container) error) error {
	for _, root := range k.dockerRoots() {
		for name := range k.FS.Glob(escape(root) + "/containers/*/config.v2.json") {
			if err := k.Context().Err(); err != nil {
				return err
			}
			text, ok := k.FS.Get(name)
			if !ok {
				continue
			}
			host := path.Join(path.Dir(name), "hostconfig.json")
			hostText, _ := k.FS.Get(host)
			c, err := parseDocker(text)
			if err != nil {
				k.Fail(name, err)
				continue
			}
			if err := c.addDockerHost(hostText); err != nil {
				k.Fail(host, err)
			}
			c.path = name
			if err := yield(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// dockerRoots gives the directories in which Docker keeps what it has: where
// its configuration says, below it for users that are mapped to others.
func (k *keepers) dockerRoots() []string {
	roots := []string{"/var/lib/docker"}
	const config = "/etc/docker/daemon.json"
	if text, ok := k.FS.Get(config); ok {
		root, err := parseDockerDaemon(text)
		if err != nil {
			k.Fail(config, err)
		}
		if root != "" && root != roots[0] {
			roots = append(roots, root)
		}
	}
	for _, u := range k.users {
		roots = append(roots, path.Join(u.Home, ".local/share/docker"))
	}
	slices.Sort(roots)
	roots = slices.Compact(roots)
	for _, root := range slices.Clone(roots) {
		roots = slices.AppendSeq(roots, k.FS.Glob(escape(root)+"/[0-9]*.[0-9]*"))
	}
	return roots
}

// A storage is a place where Podman and CRI-O keep what they have, and where
// they keep what only holds until the next start.
type storage struct{ user, root, run string }

// storages lists the one of the system and those of users.
func (k *keepers) storages() []storage {
	list := []storage{{"", "/var/lib/containers/storage", "/run/containers/storage"}}
	for _, u := range k.users {
		list = append(list, storage{u.Name, path.Join(u.Home, ".local/share/containers/storage"), "/run/user/" + decimal(u.UID) + "/containers"})
	}
	return list
}

// stored reads the lists of containers-storage, and the specification
// by which each was started last.
func (k *keepers) stored(yield func(*container) error) error {
	for _, place := range k.storages() {
		for name := range k.FS.Glob(escape(place.root) + "/*-containers/containers.json") {
			text, ok := k.FS.Get(name)
			if !ok {
				continue
			}
			driver := path.Base(path.Dir(name))
			for _, c := range parseStorage(name, text, malformed(k.Scan)) {
				c.user = place.user
				spec := path.Join(path.Dir(name), c.id, "userdata/config.json")
				if specText, ok := k.FS.Get(spec); ok {
					if err := c.addSpec(specText); err != nil {
						k.Fail(spec, err)
					}
				}
				k.alive(&c, path.Join(place.run, driver, c.id, "userdata/pidfile"))
				if err := yield(&c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tasks reads the bundles of containers that containerd runs.
func (k *keepers) tasks(yield func(*container) error) error {
	for name := range k.FS.Glob("/run/containerd/io.containerd.runtime.v2.task/*/*/config.json", "/run/k3s/containerd/io.containerd.runtime.v2.task/*/*/config.json") {
		if err := k.Context().Err(); err != nil {
			return err
		}
		text, ok := k.FS.Get(name)
		if !ok {
			continue
		}
		c := container{id: path.Base(path.Dir(name)), runtime: "containerd", path: name}
		if err := c.addSpec(text); err != nil {
			k.Fail(name, err)
			continue
		}
		k.alive(&c, path.Join(path.Dir(name), "init.pid"))
		if err := yield(&c); err != nil {
			return err
		}
	}
	return nil
}

// alive says whether the process of a pid file is there. In a tree without
// processes nobody can say.
func (k *keepers) alive(c *container, pidFile string) {
	if !k.FS.Exists("/proc/1") {
		return
	}
	text, err := k.FS.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		c.state = "stopped"
		return
	}
	pid := int64(0)
	if err == nil {
		pid, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
		if err != nil || pid <= 0 {
			err = hostfs.ErrMalformed
		}
	}
	switch {
	case err != nil:
		k.Fail(pidFile, err)
	case k.FS.Exists("/proc/" + decimal(pid)):
		c.pid, c.state = pid, "running"
	default:
		c.state = "stopped"
	}
}

// lxc reads the configuration of LXC's containers.
func (k *keepers) lxc(yield func(*container) error) error {
	places := map[string]string{"/var/lib/lxc": ""}
	for _, u := range k.users {
		places[path.Join(u.Home, ".local/share/lxc")] = u.Name
	}
	for _, dir := range slices.Sorted(maps.Keys(places)) {
		for name := range k.FS.Glob(escape(dir) + "/*/config") {
			text, ok := k.FS.Get(name)
			if !ok {
				continue
			}
			c := parseLXC(name, text, malformed(k.Scan))
			c.id, c.name, c.runtime = path.Base(path.Dir(name)), path.Base(path.Dir(name)), "lxc"
			c.user, c.path = places[dir], name
			if err := yield(&c); err != nil {
				return err
			}
		}
	}
	return nil
}
