package machine

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// decode reads a text in JSON; any that is not in its form is malformed.
func decode(text []byte, into any) error {
	if json.Unmarshal(text, into) != nil {
		return hostfs.ErrMalformed
	}
	return nil
}

// parseDockerDaemon gives where daemon.json says that Docker keeps what it has.
func parseDockerDaemon(text []byte) (string, error) {
	var d struct {
		Root string `json:"data-root"`
		Old  string `json:"graph"`
	}
	if err := decode(text, &d); err != nil {
		return "", err
	}
	root := d.Root
	if root == "" {
		root = d.Old
	}
	if root != "" && !strings.HasPrefix(root, "/") {
		return "", hostfs.ErrMalformed
	}
	return strings.TrimRight(root, "/"), nil
}

// dockerConfig is what is taken of config.v2.json.
type dockerConfig struct {
	ID, Path, Image, Name string
	Args                  []string
	Created               time.Time
	Config                struct {
		Image  string
		Labels map[string]string
	}
	State struct {
		Running, Paused, Restarting, Dead bool
		Pid                               int64
		StartedAt, FinishedAt             time.Time
	}
	MountPoints map[string]struct {
		Source, Destination, Name string
		RW                        bool
	}
}

// parseDocker reads config.v2.json of a container of Docker.
func parseDocker(text []byte) (*container, error) {
	var d dockerConfig
	if err := decode(text, &d); err != nil || d.ID == "" {
		return nil, hostfs.ErrMalformed
	}
	c := &container{
		id: d.ID, name: strings.TrimPrefix(d.Name, "/"), runtime: "docker", image: d.Config.Image, imageID: strings.TrimPrefix(d.Image, "sha256:"),
		created: inRange(d.Created), started: inRange(d.State.StartedAt), finished: inRange(d.State.FinishedAt),
		labels: pairs(d.Config.Labels), mounts: []string{}, state: dockerState(&d),
	}
	if d.Path != "" {
		c.command = append([]string{d.Path}, d.Args...)
	}
	if d.State.Running {
		c.pid = max(d.State.Pid, 0)
	}
	for _, at := range slices.Sorted(maps.Keys(d.MountPoints)) {
		m := d.MountPoints[at]
		from := m.Source
		if from == "" {
			from = m.Name
		}
		c.mounts = append(c.mounts, mounted(from, at, !m.RW))
	}
	return c, nil
}

// dockerState gives Docker's word for a state.
func dockerState(d *dockerConfig) string {
	switch {
	case d.State.Paused:
		return "paused"
	case d.State.Restarting:
		return "restarting"
	case d.State.Running:
		return "running"
	case d.State.Dead:
		return "dead"
	case inRange(d.State.StartedAt).IsZero():
		return "created"
	}
	return "exited"
}

// addDockerHost adds what hostconfig.json says; an empty one says nothing.
func (c *container) addDockerHost(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var h struct {
		Privileged   bool
		NetworkMode  string
		PortBindings map[string][]struct{ HostIP, HostPort string }
	}
	if err := decode(text, &h); err != nil {
		return err
	}
	network := h.NetworkMode == "host"
	c.privileged, c.hostNetwork, c.ports = &h.Privileged, &network, []string{}
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, b := range h.PortBindings[port] {
			address := b.HostIP
			if strings.Contains(address, ":") {
				address = "[" + address + "]"
			}
			c.ports = append(c.ports, strings.TrimPrefix(address+":"+b.HostPort+"->"+port, ":"))
		}
	}
	return nil
}

// parseStorage reads containers.json of containers-storage, a list whose
// members carry as a text what Podman or CRI-O have to say.
func parseStorage(name string, text []byte, bad complaint) []container {
	var list []struct {
		ID       string
		Names    []string
		Image    string
		Created  time.Time
		Metadata string
	}
	if decode(text, &list) != nil {
		bad(name)
		return nil
	}
	out := make([]container, 0, len(list))
	for i, l := range list {
		if l.ID == "" || path.Base(l.ID) != l.ID || l.ID == ".." {
			bad(at(name, i+1))
			continue
		}
		c := container{id: l.ID, runtime: "podman", imageID: l.Image, created: inRange(l.Created), path: name}
		if len(l.Names) > 0 {
			c.name = l.Names[0]
		}
		var more struct {
			Image string `json:"image-name"`
			Pod   string `json:"pod-id"`
		}
		if l.Metadata != "" && decode([]byte(l.Metadata), &more) != nil {
			bad(at(name, i+1))
		}
		c.image = more.Image
		if more.Pod != "" {
			c.runtime = "cri-o"
		}
		out = append(out, c)
	}
	return out
}

// ociSpec is what is taken of a container's config.json, as the OCI runtime
// specification has it.
type ociSpec struct {
	Annotations map[string]string
	Process     *struct {
		Args         []string
		Capabilities struct{ Bounding []string }
	}
	Mounts []struct {
		Destination, Type, Source string
		Options                   []string
	}
	Linux *struct {
		Namespaces  []struct{ Type, Path string }
		MaskedPaths []string
	}
}

// addSpec adds what config.json says.
func (c *container) addSpec(text []byte) error {
	var spec ociSpec
	if err := decode(text, &spec); err != nil {
		return err
	}
	c.labels, c.mounts = pairs(spec.Annotations), []string{}
	take := func(to *string, names ...string) {
		for _, name := range names {
			if *to == "" {
				*to = spec.Annotations[name]
			}
		}
	}
	take(&c.name, "io.kubernetes.cri.container-name", "io.kubernetes.cri-o.Name", "nerdctl/name", "io.kubernetes.cri.sandbox-name")
	take(&c.image, "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri.podsandbox.image-name")
	if spec.Annotations["io.container.manager"] == "cri-o" {
		c.runtime = "cri-o"
	}
	for _, m := range spec.Mounts {
		if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
			c.mounts = append(c.mounts, mounted(m.Source, m.Destination, slices.Contains(m.Options, "ro")))
		}
	}
	if spec.Process != nil {
		c.command = spec.Process.Args
	}
	if spec.Process != nil && spec.Linux != nil {
		may := spec.Process.Capabilities.Bounding
		open := slices.Contains(may, "CAP_SYS_ADMIN") && slices.Contains(may, "CAP_SYS_MODULE") && len(spec.Linux.MaskedPaths) == 0
		c.privileged = &open
	}
	if spec.Linux != nil {
		c.hostNetwork = spec.hostNetwork()
	}
	return nil
}

// hostNetwork says whether a container has no network of its own. Of one that
// joins that of another process it is not known.
func (s *ociSpec) hostNetwork() *bool {
	is := true
	for _, n := range s.Linux.Namespaces {
		switch {
		case n.Type != "network":
		case strings.HasPrefix(n.Path, "/proc/"):
			return nil
		default:
			is = false
		}
	}
	return &is
}

// parseLXC reads lxc.container.conf(5): name = value.
func parseLXC(name string, text []byte, bad complaint) container {
	c := container{mounts: []string{}}
	mapped, network, networks := false, false, 0
	for n, line := range table.Lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		key, v, ok := strings.Cut(line, "=")
		if !ok {
			bad(at(name, n))
			continue
		}
		key, v = strings.TrimSpace(key), strings.TrimSpace(v)
		switch {
		case key == "lxc.rootfs.path" || key == "lxc.rootfs":
			c.image = v
		case key == "lxc.init.cmd":
			c.command = strings.Fields(v)
		case key == "lxc.idmap" || key == "lxc.id_map":
			mapped = true
		case key == "lxc.mount.entry":
			if f := strings.Fields(v); len(f) > 3 {
				c.mounts = append(c.mounts, mounted(unoctal(f[0]), unoctal(f[1]), slices.Contains(strings.Split(f[3], ","), "ro")))
			} else {
				bad(at(name, n))
			}
		case strings.HasPrefix(key, "lxc.net.") && strings.HasSuffix(key, ".type") || key == "lxc.network.type":
			networks++
			network = network || v == "none"
		}
	}
	privileged := !mapped
	c.privileged = &privileged
	if networks > 0 {
		c.hostNetwork = &network
	}
	return c
}

// mounted writes a mount as Docker's users do.
func mounted(from, to string, readOnly bool) string {
	if readOnly {
		to += ":ro"
	}
	return from + ":" + to
}

// pairs writes labels as name=value, in order.
func pairs(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return list
}

// inRange gives a time, or none where it lies before the year 1 or is the one
// that Go programs write for none.
func inRange(t time.Time) time.Time {
	if y := t.UTC().Year(); y <= 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

// decimal writes a number.
func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// escape makes a path one that means itself as a pattern.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
