package host

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// A sign is a word in a file and what it tells.
type sign struct{ word, means string }

// container looks for the traces that container managers leave. Kubernetes is
// asked for first, since it runs the others.
func container(m *machine) (value.Value, error) {
	env, err := m.ReadFile("/proc/1/environ")
	cgroup, _ := m.ReadFile("/proc/1/cgroup")
	if bytes.Contains(env, []byte("KUBERNETES_SERVICE_HOST=")) || bytes.Contains(cgroup, []byte("kubepods")) ||
		m.Exists("/run/secrets/kubernetes.io") || m.Exists("/var/run/secrets/kubernetes.io") {
		return value.NewText("kubernetes"), nil
	}
	switch {
	case m.Exists("/.dockerenv"):
		return value.NewText("docker"), nil
	case m.Exists("/run/.containerenv"):
		return value.NewText("podman"), nil
	}
	for entry := range strings.SplitSeq(string(env), "\x00") {
		if name, ok := strings.CutPrefix(entry, "container="); ok && name != "" {
			return value.NewText(name), nil
		}
	}
	for _, s := range [...]sign{{"/docker", "docker"}, {"libpod", "podman"}, {"/lxc", "lxc"}, {"containerd", "containerd"}} {
		if bytes.Contains(cgroup, []byte(s.word)) {
			return value.NewText(s.means), nil
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return value.Value{}, err // it might have said so
	}
	return value.Value{}, nil
}

// virtualisation looks at what the firmware calls the machine, then at the
// processor, which says that there is a hypervisor but not which.
func virtualisation(m *machine) (value.Value, error) {
	if b, err := m.ReadFile("/sys/hypervisor/type"); err == nil && len(bytes.TrimSpace(b)) > 0 {
		return line(b, nil)
	}
	var dmi strings.Builder
	for _, name := range [...]string{"sys_vendor", "product_name", "board_vendor", "bios_vendor"} {
		b, _ := m.ReadFile("/sys/class/dmi/id/" + name)
		dmi.Write(b)
	}
	names := dmi.String()
	for _, s := range [...]sign{
		{"VMware", "vmware"}, {"VirtualBox", "virtualbox"}, {"innotek", "virtualbox"}, {"Parallels", "parallels"},
		{"Virtual Machine", "hyperv"}, {"Xen", "xen"}, {"BHYVE", "bhyve"}, {"KVM", "kvm"}, {"QEMU", "kvm"},
		{"Amazon EC2", "kvm"}, {"Google Compute", "kvm"}, {"OpenStack", "kvm"}, {"Apple Virtualization", "apple"},
	} {
		if strings.Contains(names, s.word) {
			return value.NewText(s.means), nil
		}
	}
	b, err := m.ReadFile("/proc/cpuinfo")
	if err != nil {
		return value.Value{}, err
	}
	flags, _ := field(b, "flags")
	if strings.Contains(" "+flags+" ", " hypervisor ") {
		return value.NewText("other"), nil
	}
	return value.Value{}, nil
}
