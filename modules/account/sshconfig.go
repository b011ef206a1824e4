package account

import (
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// An sshSetting is a line of ssh_config(5), by which the client of SSH goes.
type sshSetting struct {
	place
	line        int
	block, text string
	name        string
	args        []string
}

func sshConfigs() modules.Module {
	type row = sshSetting
	return table.New(modules.Schema{
		Name: "ssh_config", Doc: "The settings of SSH's clients, of every home and of the system, with the files that they include. Those of the server are lines of /etc/ssh/sshd_config.",
		Locator: pathLocator("/home/*/.ssh/config"),
	}, []table.Column[row]{
		table.Text("path", "The file in which it stands.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Text("user", "The user for whom it holds: in whose home the file is, or who includes it; root of those of the system, which hold for all.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Int("line", "The number of the line, from 1.", func(r *row) int64 { return int64(r.line) }),
		table.Text("block", "The line with Host or Match below which it stands, and which says for which hosts it holds; null above the first.", func(r *row) string { return r.block }).Shown(),
		table.Text("name", "What it sets, in lower case, such as proxycommand.", func(r *row) string { return r.name }).Shown(),
		table.Text("value", "To what.", func(r *row) string { return strings.Join(r.args, " ") }).Shown(),
		table.Text("text", "The line as it stands there, without blanks around it.", func(r *row) string { return r.text }),
	}, listSSHConfigs).By()
}

func listSSHConfigs(s *table.Scan, yield func(*sshSetting) error) error {
	c := sshConfig{Scan: s, homes: map[string]string{}, seen: map[place]bool{}, yield: yield}
	for _, u := range Users(s.FS) {
		c.homes[u.Name] = u.Home
	}
	for p, err := range places(s, ".ssh/config", "/etc/ssh/ssh_config") {
		if err != nil {
			return err
		}
		if p.user == "" && strings.HasPrefix(p.path, systemSSH+"/") {
			p.user = "root"
		}
		if err := c.read(p, ""); err != nil {
			return err
		}
	}
	return nil
}

// systemSSH is where the system's own settings of SSH are.
const systemSSH = "/etc/ssh"

// An sshConfig reads files of settings, and those that they include.
type sshConfig struct {
	*table.Scan
	homes map[string]string
	seen  map[place]bool
	yield func(*sshSetting) error
}

// read gives the settings of a file, which begin below a block where the file
// is included there.
func (c *sshConfig) read(p place, block string) error {
	switch {
	case c.seen[p]:
		return nil
	case len(c.seen) >= maxIncluded*(len(c.homes)+1):
		c.Fail(p.path, hostfs.ErrTooLarge)
		return nil
	}
	c.seen[p] = true
	text, _ := content(c.FS, p.path)
	for _, set := range parseSSHConfig(text, block) {
		set.place = p
		if err := c.yield(&set); err != nil {
			return err
		}
		if set.name != "include" || len(c.Locators) > 0 {
			continue
		}
		for _, file := range set.args {
			if err := c.include(file, &set); err != nil {
				return err
			}
		}
	}
	return c.Context().Err()
}

// include reads the files that a pattern names: below .ssh for a user, and
// below /etc/ssh for the system.
func (c *sshConfig) include(pattern string, set *sshSetting) error {
	home := c.homes[set.user]
	switch {
	case strings.HasPrefix(pattern, "~/"):
		pattern = path.Join(literal(home), pattern[2:])
	case path.IsAbs(pattern):
	case strings.HasPrefix(set.path, systemSSH+"/"):
		pattern = path.Join(systemSSH, pattern)
	default:
		pattern = path.Join(literal(home), ".ssh", pattern)
	}
	if _, err := path.Match(pattern, ""); err != nil || !path.IsAbs(pattern) {
		c.Fail(set.path, hostfs.ErrMalformed)
		return nil
	}
	for file := range c.FS.Glob(pattern) {
		if err := c.read(place{file, set.user}, set.block); err != nil {
			return err
		}
	}
	return nil
}

// parseSSHConfig takes a file apart. A word alone is a setting without value.
func parseSSHConfig(text []byte, block string) []sshSetting {
	var list []sshSetting
	for n, line := range table.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, args := parseConfigLine(line)
		if name == "" {
			name = line
		}
		set := sshSetting{line: n, text: line, name: strings.ToLower(name), args: args}
		if set.name == "host" || set.name == "match" {
			block = line
		}
		set.block = block
		list = append(list, set)
	}
	return list
}
