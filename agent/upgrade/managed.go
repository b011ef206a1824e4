package upgrade

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
)

// ManagedBy names the package manager whose property a program is; "" where it
// is nobody's. On Linux, /usr/bin is for packages, and what people install
// themselves is in /usr/local: where no database says whose it is, that does.
func ManagedBy(system, root, program string) string {
	if system != "linux" || !slices.Contains([]string{"/usr/bin", "/usr/sbin", "/bin", "/sbin"}, filepath.Dir(program)) {
		return ""
	}
	if lists(filepath.Join(root, "/var/lib/dpkg/info/quaestor-agent.list"), program) {
		return "dpkg"
	}
	for _, m := range [...]struct{ name, database string }{
		{"rpm", "/usr/lib/sysimage/rpm"}, {"rpm", "/var/lib/rpm"}, {"apk", "/lib/apk/db/installed"}, {"pacman", "/var/lib/pacman/local"},
	} {
		if _, err := os.Stat(filepath.Join(root, m.database)); err == nil {
			return m.name
		}
	}
	return "the packages of the system"
}

// lists says whether a line of a file is a name.
func lists(file, name string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for l := bufio.NewScanner(f); l.Scan(); {
		if l.Text() == name {
			return true
		}
	}
	return false
}
