package tmpfile

import (
	"encoding/base64"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A rule is one line:
//
//	L+ /etc/motd 0644 root root 10d /var/lib/motd
//
// Fields are separated by white space, may be quoted, and may hold escapes of
// C. A field that is - or not there is empty. The last one, the argument, goes
// to the end of the line and knows no quotes.
type rule struct {
	typ, action, path, mode, user, group, age, argument string

	file   string
	line   int
	masked bool
}

// has says whether the type has a modifier.
func (r *rule) has(modifier byte) bool { return strings.IndexByte(r.typ[1:], modifier) >= 0 }

// target is the path in the argument of a link and of a copy. Without one,
// systemd takes it from its factory; a link's may be relative.
func (r *rule) target() string {
	switch {
	case r.action != "link" && r.action != "copy":
		return ""
	case r.argument == "":
		return "/usr/share/factory" + r.path
	case r.action == "link" && r.argument[0] != '/' && r.argument[0] != '%':
		return path.Join(path.Dir(r.path), r.argument)
	}
	return r.argument
}

// parse reads a line that is neither empty nor a comment. It gives false
// where systemd would refuse it.
func parse(line string) (rule, bool) {
	var r rule
	rest := line
	for _, to := range [...]*string{&r.typ, &r.path, &r.mode, &r.user, &r.group, &r.age} {
		var ok bool
		if *to, rest, ok = field(rest); !ok {
			return rule{}, false
		}
	}
	if r.typ == "" || strings.Trim(r.typ[1:], "+!-=~^$?") != "" || r.path == "" || r.path[0] != '/' && r.path[0] != '%' {
		return rule{}, false
	}
	r.action = actionOf(r.typ[0])
	var ok bool
	r.argument, ok = r.decode(strings.TrimSpace(rest))
	return r, ok && r.action != "" && isMode(r.mode)
}

// actionOf gives a word for the letter of a type, or nothing where there is no
// such letter.
func actionOf(letter byte) string {
	switch letter {
	case 'f':
		return "file"
	case 'd', 'D', 'e', 'v', 'q', 'Q':
		return "directory"
	case 'L':
		return "link"
	case 'p':
		return "pipe"
	case 'b', 'c':
		return "device"
	case 'C':
		return "copy"
	case 'w':
		return "write"
	case 'r', 'R':
		return "remove"
	case 'x', 'X':
		return "ignore"
	case 'z', 'Z':
		return "mode"
	case 't', 'T', 'h', 'H', 'a', 'A':
		return "attributes"
	}
	return ""
}

// isMode says whether a text is empty or a mode, with a ~ or a : before it.
func isMode(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimLeft(s, "~:"), 8, 16)
	return err == nil && n <= 0o7777
}

// decode gives what an argument means. That of a credential is its name.
func (r *rule) decode(s string) (string, bool) {
	switch {
	case s == "-" || s == "":
		return "", true
	case r.has('~') && !r.has('^') && (r.action == "file" || r.action == "write"):
		b, err := base64.StdEncoding.DecodeString(s)
		return string(b), err == nil
	}
	var out []byte
	for s != "" {
		var ok bool
		if out, s, ok = next(out, s); !ok {
			return "", false
		}
	}
	return string(out), true
}

// field takes the first field off a line, without its quotes.
func field(s string) (text, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	var out []byte
	quote, quoted := byte(0), false
	for s != "" {
		switch c := s[0]; {
		case quote == 0 && (c == ' ' || c == '\t'):
			return dash(out, quoted), s, true
		case quote == 0 && (c == '"' || c == '\''):
			quote, quoted, s = c, true, s[1:]
		case quote != 0 && c == quote:
			quote, s = 0, s[1:]
		default:
			if out, s, ok = next(out, s); !ok {
				return "", "", false
			}
		}
	}
	return dash(out, quoted), "", quote == 0
}

// dash makes - nothing, unless it was quoted.
func dash(out []byte, quoted bool) string {
	if string(out) == "-" && !quoted {
		return ""
	}
	return string(out)
}

// next appends the first character of a text, or what its escape stands for.
func next(out []byte, s string) (_ []byte, rest string, ok bool) {
	switch {
	case s[0] != '\\':
		return append(out, s[0]), s[1:], true
	case len(s) > 1 && strings.IndexByte(`"'`, s[1]) >= 0:
		return append(out, s[1]), s[2:], true
	case len(s) > 1 && s[1] == 's':
		return append(out, ' '), s[2:], true
	}
	char, wide, rest, err := strconv.UnquoteChar(s, 0)
	switch {
	case err != nil || char == 0:
		return nil, "", false
	case wide:
		return utf8.AppendRune(out, char), rest, true
	}
	return append(out, byte(char)), rest, true
}
