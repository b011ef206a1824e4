package account

import (
	"slices"
	"strings"
)

// A sudoRule is what a line of sudoers(5) lets users do: one of its runs of
// commands that have the same options.
type sudoRule struct {
	path                string
	line                int
	users, hosts        []string
	runas, groups, tags []string
	commands            []string
}

// The kinds of alias, as sudoers names them.
const (
	userAlias, hostAlias, runasAlias, commandAlias = "User_Alias", "Host_Alias", "Runas_Alias", "Cmnd_Alias"
)

// sudoTags are the words before a command that end in a colon; each has an
// opposite, with NO before it.
const sudoTags = " EXEC FOLLOW LOG_INPUT LOG_OUTPUT MAIL INTERCEPT PASSWD SETENV "

// sudoOptions are those before a command that have a value.
const sudoOptions = " APPARMOR_PROFILE CHROOT CWD LIMITPRIVS NOTAFTER NOTBEFORE PRIVS ROLE TIMEOUT TYPE "

// sudoLine takes the comment off a line. A # with a number behind it is the
// number of a user.
func sudoLine(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted && (i+1 == len(line) || line[i+1] < '0' || line[i+1] > '9'):
			return strings.TrimSpace(line[:i])
		}
	}
	return strings.TrimSpace(line)
}

// index gives where one of the characters is, outside quotes and without a
// backslash before it; the length of the text where none is.
func index(text, characters string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(characters, c) >= 0:
			return i
		}
	}
	return len(text)
}

// sudoList takes a list with commas from the front of a text. It ends at the
// first white space that no comma is beside, or before one of the characters.
func sudoList(text, until string) (list []string, rest string) {
	rest = strings.TrimSpace(text)
	for rest != "" {
		not := ""
		for strings.HasPrefix(rest, "!") {
			not += "!"
			rest = strings.TrimLeft(rest[1:], " \t")
		}
		i := index(rest, ", \t"+until)
		if i == 0 {
			return nil, rest
		}
		list = append(list, strings.TrimPrefix(not, "!!")+unquoted(rest[:i]))
		rest = strings.TrimLeft(rest[i:], " \t")
		if !strings.HasPrefix(rest, ",") {
			return list, rest
		}
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	return nil, rest // it ends with a comma
}

func unquoted(word string) string { return strings.ReplaceAll(word, `"`, "") }

// parseAlias reads the line of an alias behind its kind: NAME = list, and
// others with colons between them.
func parseAlias(kind, text string) (map[string][]string, bool) {
	found := map[string][]string{}
	for text != "" {
		name, members, ok := strings.Cut(text, "=")
		if name = strings.TrimSpace(name); !ok || !isAlias(name) {
			return nil, false
		}
		var list []string
		if kind == commandAlias {
			for end := byte(','); end == ','; {
				var command string
				command, end, members = nextCommand(members)
				list = append(list, command)
				if command == "" || end == ',' && members == "" {
					return nil, false
				}
			}
			text = members
		} else {
			list, text = sudoList(members, ":")
			next, more := strings.CutPrefix(text, ":")
			if len(list) == 0 || text != "" && !more {
				return nil, false
			}
			text = strings.TrimSpace(next)
		}
		found[name] = list
	}
	return found, len(found) > 0
}

// isAlias says whether a word is the name of an alias.
func isAlias(word string) bool {
	return word != "" && word != "ALL" && word[0] >= 'A' && word[0] <= 'Z' &&
		strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// nextCommand takes a command from the front of a list, and tells which of ,
// and : was behind it. A digest keeps its colon.
func nextCommand(text string) (command string, end byte, rest string) {
	text = strings.TrimSpace(text)
	from := 0
	for _, hash := range []string{"sha224:", "sha256:", "sha384:", "sha512:"} {
		if strings.HasPrefix(text, hash) {
			from = len(hash)
		}
	}
	i := from + index(text[from:], ",:")
	if i == len(text) {
		return text, 0, ""
	}
	return strings.TrimSpace(text[:i]), text[i], strings.TrimSpace(text[i+1:])
}

// parseRule reads a line that lets users do something:
//
//	users hosts = (runas : groups) TAG: command, command : hosts = …
func parseRule(line string) ([]sudoRule, bool) {
	users, rest := sudoList(line, "=")
	if len(users) == 0 {
		return nil, false
	}
	var rules []sudoRule
	for more := true; more; {
		hosts, after := sudoList(rest, "=")
		after, ok := strings.CutPrefix(after, "=")
		if !ok || len(hosts) == 0 {
			return nil, false
		}
		now := sudoRule{users: users, hosts: hosts, runas: []string{"root"}}
		end := byte(',')
		for end == ',' {
			var changed bool
			if after, changed, ok = now.options(after); !ok {
				return nil, false
			}
			var command string
			if command, end, after = nextCommand(after); command == "" {
				return nil, false
			}
			if last := len(rules) - 1; !changed && len(now.commands) > 0 {
				rules[last].commands = append(rules[last].commands, command)
				now.commands = rules[last].commands
				continue
			}
			now.commands = []string{command}
			rules = append(rules, now)
		}
		rest, more = after, end == ':'
	}
	return rules, true
}

// options takes what stands before a command, which holds for those that
// follow too, and tells whether there was any.
func (r *sudoRule) options(text string) (rest string, changed, ok bool) {
	text = strings.TrimSpace(text)
	if inside, found := strings.CutPrefix(text, "("); found {
		inside, rest, closed := strings.Cut(inside, ")")
		if !closed {
			return "", false, false
		}
		i := index(inside, ":")
		users, left := sudoList(inside[:i], "")
		groups, left2 := sudoList(strings.TrimPrefix(inside[i:], ":"), "")
		if left != "" || left2 != "" {
			return "", false, false
		}
		r.runas, r.groups, changed = users, groups, true
		text = strings.TrimSpace(rest)
	}
	for {
		i := strings.IndexAny(text, ":= \t")
		if i < 0 {
			return text, changed, true
		}
		name, after := text[:i], strings.TrimLeft(text[i:], " \t")
		switch {
		case after != "" && after[0] == ':' && isTag(name):
			r.tags = slices.DeleteFunc(slices.Clone(r.tags), func(t string) bool {
				return strings.TrimPrefix(t, "NO") == strings.TrimPrefix(name, "NO")
			})
			r.tags = append(r.tags, name)
			text = strings.TrimLeft(after[1:], " \t")
		case after != "" && after[0] == '=' && strings.Contains(sudoOptions, " "+name+" "):
			after = strings.TrimLeft(after[1:], " \t")
			end := index(after, " \t")
			r.tags = append(slices.Clone(r.tags), name+"="+unquoted(after[:end]))
			text = strings.TrimLeft(after[end:], " \t")
		default:
			return text, changed, true
		}
		changed = true
	}
}

func isTag(name string) bool {
	return name != "" && strings.Contains(sudoTags, " "+strings.TrimPrefix(name, "NO")+" ")
}
