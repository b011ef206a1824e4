package account

import (
	"path"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// An authorizedKey is a line of a file of keys by which one may log in, as
// sshd(8) has it.
type authorizedKey struct {
	place
	line    int
	key     publicKey
	comment string
	options []string
}

func authorizedKeys() modules.Module {
	type row = authorizedKey
	return table.New(modules.Schema{
		Name: "authorized_key", Doc: "The keys by which one may log in by SSH: those of every home, and of the files that sshd_config names.",
		Locator: pathLocator("/home/*/.ssh/authorized_keys"),
	}, []table.Column[row]{
		table.Text("path", "The file that lists the key.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Text("user", "The user who may log in by it: in whose home the file is, or for whom sshd_config names it; null where neither says.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Int("line", "The number of the line, from 1.", func(r *row) int64 { return int64(r.line) }),
		table.Text("type", "The type of the key, such as ssh-ed25519.", func(r *row) string { return r.key.algorithm }).Shown(),
		table.Int("bits", "The length of the key in bits.", func(r *row) int64 { return r.key.bits }).Shown(),
		table.Text("fingerprint", "The fingerprint by SHA-256, as ssh-keygen writes it.", func(r *row) string { return r.key.fingerprint }).Shown(),
		table.Text("md5", "The fingerprint by MD5, as ssh-keygen wrote it of old, without its name in front.", func(r *row) string { return r.key.md5 }),
		table.Text("key", "The public key itself, in base64.", func(r *row) string { return r.key.encoded }),
		table.Text("comment", "What follows the key, for the most part whose it is.", func(r *row) string { return r.comment }).Shown(),
		table.Texts("options", "What the line allows and forbids, such as from=\"10.0.0.1\" and command=\"/bin/true\".", func(r *row) []string { return r.options }).Shown(),
	}, listAuthorized).By()
}

func listAuthorized(s *table.Scan, yield func(*authorizedKey) error) error {
	patterns := []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	var named []place
	if len(s.Locators) == 0 {
		named = namedKeyFiles(s.FS)
	}
	seen := map[string]bool{}
	file := func(p place) error {
		if seen[p.path] {
			return nil
		}
		seen[p.path] = true
		text, ok := content(s.FS, p.path)
		if !ok {
			return nil
		}
		for n, line := range table.Lines(text) {
			if line == "" || line[0] == '#' {
				continue
			}
			k, ok := parseAuthorized(line)
			if !ok {
				s.Fail(p.path+":"+strconv.Itoa(n), hostfs.ErrMalformed)
				continue
			}
			k.place, k.line = p, n
			if err := yield(&k); err != nil {
				return err
			}
		}
		return nil
	}
	for p, err := range places(s, patterns...) {
		if err != nil {
			return err
		}
		if err := file(p); err != nil {
			return err
		}
	}
	for _, p := range named {
		if err := file(p); err != nil {
			return err
		}
	}
	return nil
}

// parseAuthorized reads a line: a key, which options may precede.
func parseAuthorized(line string) (authorizedKey, bool) {
	if k, comment, ok := parseKeyText(line); ok {
		return authorizedKey{key: k, comment: comment}, true
	}
	end, quoted, start := -1, false, 0
	var options []string
	for i := 0; i < len(line) && end < 0; i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && line[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			options = append(options, line[start:i])
			start = i + 1
		case c == ' ' || c == '\t':
			options = append(options, line[start:i])
			end = i
		}
	}
	if end < 0 {
		return authorizedKey{}, false
	}
	k, comment, ok := parseKeyText(line[end:])
	return authorizedKey{key: k, comment: comment, options: options}, ok
}

// namedKeyFiles gives the files that sshd_config names for each user, wherever
// in it that is.
func namedKeyFiles(f *hostfs.FS) []place {
	c := sshdConfig{fs: f, seen: map[string]bool{}}
	c.read("/etc/ssh/sshd_config")
	var list []place
	for _, u := range Users(f) {
		for _, name := range c.keyFiles {
			name = expandTokens(name, u)
			if !path.IsAbs(name) {
				name = path.Join(u.Home, name)
			}
			if !path.IsAbs(name) {
				continue
			}
			for file := range f.Glob(literal(path.Clean(name))) {
				list = append(list, place{file, u.Name})
			}
		}
	}
	return sharedAreNobodys(list)
}

// sharedAreNobodys gives a file that is named for several users once, and for
// none of them.
func sharedAreNobodys(list []place) []place {
	at := map[string]int{}
	var once []place
	for _, p := range list {
		if i, ok := at[p.path]; ok {
			once[i].user = ""
			continue
		}
		at[p.path] = len(once)
		once = append(once, p)
	}
	return once
}

// expandTokens puts a user into a name of sshd_config.
func expandTokens(name string, u User) string {
	return strings.NewReplacer("%%", "%", "%h", u.Home, "%u", u.Name, "%U", strconv.FormatInt(u.UID, 10)).Replace(name)
}

// maxIncluded is how many files of configuration are read at most, so that a
// hostile tree does not hold a scan up.
const maxIncluded = 1000

// An sshdConfig collects what the configuration of sshd says of keys, the
// files that it includes among it.
type sshdConfig struct {
	fs       *hostfs.FS
	seen     map[string]bool
	keyFiles []string
}

func (c *sshdConfig) read(name string) {
	if c.seen[name] {
		return
	}
	if len(c.seen) >= maxIncluded {
		c.fs.Fail(name, hostfs.ErrTooLarge)
		return
	}
	c.seen[name] = true
	text, _ := c.fs.Get(name)
	for n, line := range table.Lines(text) {
		keyword, args := parseConfigLine(line)
		switch strings.ToLower(keyword) {
		case "authorizedkeysfile":
			for _, a := range args {
				if a != "none" {
					c.keyFiles = append(c.keyFiles, a)
				}
			}
		case "include":
			c.include(name+":"+strconv.Itoa(n), args)
		}
	}
}

// include reads the files of globs, of which relative ones are of /etc/ssh.
func (c *sshdConfig) include(where string, globs []string) {
	for _, g := range globs {
		if !path.IsAbs(g) {
			g = path.Join("/etc/ssh", g)
		}
		if _, err := path.Match(g, ""); err != nil {
			c.fs.Fail(where, hostfs.ErrMalformed)
			continue
		}
		for file := range c.fs.Glob(g) {
			c.read(file)
		}
	}
}

// parseConfigLine takes a line of sshd_config(5) apart: a keyword, perhaps =,
// and arguments, which may be quoted.
func parseConfigLine(line string) (keyword string, args []string) {
	i := strings.IndexAny(line, " \t=")
	if i < 0 || line[0] == '#' {
		return "", nil
	}
	keyword, rest := line[:i], strings.TrimLeft(line[i:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	for rest != "" && rest[0] != '#' {
		var arg string
		if rest[0] == '"' {
			arg, rest, _ = strings.Cut(rest[1:], `"`)
			rest = strings.TrimLeft(rest, " \t")
		} else {
			arg, rest = word(rest)
		}
		args = append(args, arg)
	}
	return keyword, args
}
