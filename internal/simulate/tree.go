package simulate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// everywhere is what every tree has, by path. The contents are stored once and
// linked into each tree.
var everywhere = map[string]string{
	"etc/passwd":          "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
	"etc/hosts":           "127.0.0.1 localhost\n",
	"etc/motd":            "welcome to a machine that is simulated\n",
	"etc/ssh/sshd_config": "Port 22\nPermitRootLogin no\nPasswordAuthentication no\n",
	"etc/cron.d/backup":   "15 3 * * * root /usr/local/bin/backup\n",
	"usr/local/bin/backup": "#!/bin/sh\n" + strings.Repeat("# it saves what is worth it\n", 64) +
		"exec tar -C / -cf /var/backups/etc.tar etc\n",
	"var/log/syslog": strings.Repeat("2026-11-01T03:15:00Z sim cron[211]: (root) CMD (/usr/local/bin/backup)\n", 128),
}

// A forest makes trees of files.
type forest struct{ shared, trees string }

// newForest writes what trees share.
func newForest(shared, trees string) (*forest, error) {
	f := &forest{shared, trees}
	for path, text := range everywhere {
		if err := write(filepath.Join(shared, filepath.FromSlash(path)), text); err != nil {
			return nil, fmt.Errorf("simulate: %w", err)
		}
	}
	return f, nil
}

// plant gives the root of a machine's tree, which it makes: the shared files
// and two of its own.
func (f *forest) plant(m machine) (string, error) {
	root := filepath.Join(f.trees, m.name)
	for path := range everywhere {
		path = filepath.FromSlash(path)
		name := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return "", err
		}
		if err := os.Link(filepath.Join(f.shared, path), name); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	release := fmt.Sprintf("ID=%s\nVERSION_ID=%q\nPRETTY_NAME=%q\n", m.system.distro, m.system.version, m.system.called)
	return root, errors.Join(write(filepath.Join(root, "etc", "hostname"), m.name+"\n"), write(filepath.Join(root, "etc", "os-release"), release))
}

// write makes a file and the folders that it is in. One that is there stays:
// it may be linked elsewhere.
func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil {
		return nil
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
