package host

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// facts lists what is known of a host, in the order of its columns.
func facts() []fact {
	linux := []string{"linux"}
	return []fact{
		{modules.Column{Name: "hostname", Type: value.Text, Cost: modules.Stat, Default: true,
			Doc: "The name that the machine calls itself, without looking it up in the DNS."}, hostname},
		{modules.Column{Name: "os", Type: value.Text, Default: true, Values: []string{"linux", "darwin", "windows"},
			Doc: "The kind of operating system."}, system},
		{modules.Column{Name: "distro", Type: value.Text, Cost: modules.Stat, Default: true,
			Doc: "The distribution, as ID in os-release: debian, rhel, alpine; macos and windows on those."}, distro},
		{modules.Column{Name: "version", Type: value.Version, Cost: modules.Stat, Default: true,
			Doc: "The version of the distribution or system, such as 12 or 15.2; null where releases have none."}, version},
		{modules.Column{Name: "distro_name", Type: value.Text, Cost: modules.Stat,
			Doc: "The distribution's name and version as it shows them to people."}, distroName},
		{modules.Column{Name: "kernel", Type: value.Text, Cost: modules.Stat, Default: true,
			Doc: "The release of the running kernel, as uname -r prints it."}, kernel},
		{modules.Column{Name: "arch", Type: value.Text, Default: true,
			Doc: "The processor's architecture, in Go's words: amd64, arm64."}, arch},
		{modules.Column{Name: "uptime", Type: value.Duration, Cost: modules.Stat, Default: true,
			Doc: "How long the system has been running."}, uptime},
		{modules.Column{Name: "boot_time", Type: value.Time, Cost: modules.Stat,
			Doc: "When the system was started."}, bootTime},
		{modules.Column{Name: "addresses", Type: value.List, Elem: value.IP, Cost: modules.Read, Default: true,
			Doc: "The IP addresses of all interfaces, those of the loopback last."}, addresses},
		{modules.Column{Name: "mac_addresses", Type: value.List, Elem: value.Text, Cost: modules.Read,
			Doc: "The hardware addresses of all interfaces that have one, in lower case with colons."}, macAddresses},
		{modules.Column{Name: "timezone", Type: value.Text, Cost: modules.Stat,
			Doc: "The time zone that the machine is set to: Europe/Vienna; Windows has names of its own."}, timezone},
		{modules.Column{Name: "cpu", Type: value.Text, Cost: modules.Read,
			Doc: "The model of the processor, as its maker calls it."}, cpu},
		{modules.Column{Name: "cpus", Type: value.Int, Cost: modules.Read,
			Doc: "The number of processors that the system sees, threads counted."}, cpus},
		{modules.Column{Name: "memory", Type: value.Size, Cost: modules.Stat,
			Doc: "The main memory that the system can use."}, memory},
		{modules.Column{Name: "container", Type: value.Text, Cost: modules.Read, OS: linux,
			Doc: "What runs the container that this is: docker, podman, lxc, kubernetes; null where it is none."}, container},
		{modules.Column{Name: "virtualisation", Type: value.Text, Cost: modules.Read, OS: linux,
			Doc: "What runs the virtual machine that this is: kvm, vmware, xen, hyperv, other; null where there is no sign of one."}, virtualisation},
		{modules.Column{Name: "machine_id", Type: value.Text, Cost: modules.Stat, OS: []string{"linux", "windows"},
			Doc: "The identity that was given to the machine when it was installed."}, machineID},
		{modules.Column{Name: "init", Type: value.Text, Cost: modules.Stat, OS: linux,
			Doc: "The first process: systemd, init, or what a container runs."}, initName},
	}
}
