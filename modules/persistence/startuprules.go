package persistence

import (
	"strings"
)

// parseUdev reads rules as udev(7) has them, of which the keys are wanted that
// run a program: KEY{TYPE}="value" with commas between. A line whose keys
// cannot be told apart is malformed.
func parseUdev(text []byte) (list []entry, bad []int) {
	for _, l := range joined(text, "#") {
		rest, ok := l.command, true
		for rest != "" && ok && len(list) < maxEntries {
			var key, v string
			if key, v, rest, ok = udevKey(rest); !ok {
				bad = append(bad, l.line)
				break
			}
			switch key {
			case "RUN", "RUN{program}", "PROGRAM", "IMPORT{program}":
				if v != "" {
					list = append(list, entry{l.line, key, v})
				}
			}
		}
	}
	return list, bad
}

// udevKey takes the first key of a rule off.
func udevKey(s string) (key, v, rest string, ok bool) {
	i := strings.IndexByte(s, '"')
	if i <= 0 {
		return "", "", "", false
	}
	// Before the quote stand the key, an operator, and an e where \ escapes.
	key, escapes := strings.CutSuffix(s[:i], "e")
	trimmed := strings.TrimRight(key, " \t")
	key = strings.TrimSpace(strings.TrimRight(trimmed, "=!+-:"))
	if key == "" || len(strings.TrimRight(trimmed, "=!+-:")) == len(trimmed) || strings.ContainsAny(key, ", \t") {
		return "", "", "", false
	}
	end := i + 1
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' && end+1 < len(s) && (escapes || s[end+1] == '"') {
			end++
		}
		end++
	}
	if end >= len(s) {
		return "", "", "", false
	}
	v = strings.ReplaceAll(s[i+1:end], `\"`, `"`)
	return key, v, strings.TrimLeft(s[end+1:], ", \t"), true
}

// An aptReader goes over a configuration as apt.conf(5) has it: names with ::
// between their parts, values in quotes, and groups in braces.
type aptReader struct {
	text  string
	line  int
	scope []string
	words []aptWord // of the statement that is read
	list  []entry
	bad   []int
}

// An aptWord is a name, or a value in quotes.
type aptWord struct {
	text   string
	quoted bool
	line   int
}

// maxAptDepth is how many groups may stand in one another.
const maxAptDepth = 64

// parseApt reads a configuration of apt, of which the commands are wanted that
// run before and after it does something.
func parseApt(text []byte) ([]entry, []int) {
	a := &aptReader{text: string(text), line: 1}
	for a.text != "" && len(a.list) < maxEntries {
		a.step()
	}
	if len(a.scope) > 0 || len(a.words) > 0 {
		a.bad = append(a.bad, a.line) // it ends in the middle of something
	}
	return a.list, a.bad
}

// step reads the next sign or word.
func (a *aptReader) step() {
	switch c := a.text[0]; {
	case strings.HasPrefix(a.text, "//") || c == '#':
		a.skip(strings.IndexByte(a.text, '\n'))
	case strings.HasPrefix(a.text, "/*"):
		end := strings.Index(a.text, "*/")
		if end >= 0 {
			end += 2
		}
		a.skip(end)
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		a.skip(1)
	case c == ';':
		a.statement()
		a.skip(1)
	case c == '{':
		a.open()
		a.skip(1)
	case c == '}':
		a.statement()
		if len(a.scope) == 0 {
			a.bad = append(a.bad, a.line)
		} else {
			a.scope = a.scope[:len(a.scope)-1]
		}
		a.skip(1)
	case c == '"':
		a.quoted()
	default:
		end := strings.IndexAny(a.text, " \t\r\n;{}\"")
		if end < 0 {
			end = len(a.text)
		}
		a.words = append(a.words, aptWord{a.text[:end], false, a.line})
		a.skip(end)
	}
}

// skip goes on by n bytes; to the end where n is negative.
func (a *aptReader) skip(n int) {
	if n < 0 {
		n = len(a.text)
	}
	a.line += strings.Count(a.text[:n], "\n")
	a.text = a.text[n:]
}

func (a *aptReader) quoted() {
	end := 1
	for end < len(a.text) && a.text[end] != '"' {
		if a.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(a.text) {
		a.bad = append(a.bad, a.line)
		a.skip(-1)
		return
	}
	a.words = append(a.words, aptWord{strings.ReplaceAll(a.text[1:end], `\"`, `"`), true, a.line})
	a.skip(end + 1)
}

// open begins a group, which has the name that stands before it.
func (a *aptReader) open() {
	name := ""
	if len(a.words) > 0 {
		name = a.words[0].text
	}
	a.words = nil
	if len(a.scope) == maxAptDepth {
		a.bad = append(a.bad, a.line)
		a.skip(-1)
		a.text = "}" // of this group, so that the rest is left out
		return
	}
	a.scope = append(a.scope, name)
}

// statement ends NAME "value", or a value alone in a list.
func (a *aptReader) statement() {
	words := a.words
	a.words = nil
	parts := a.scope
	if len(words) > 0 && !words[0].quoted {
		parts = append(parts[:len(parts):len(parts)], words[0].text)
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	name := strings.TrimRight(strings.Join(parts, "::"), ":")
	if isAptHook(name) {
		a.list = append(a.list, entry{words[0].line, name, words[0].text})
	}
}

// isAptHook says whether the values of a name are commands.
func isAptHook(name string) bool {
	lower := strings.ToLower(name)
	last := lower[strings.LastIndexByte(lower, ':')+1:]
	switch last {
	case "pre-invoke", "post-invoke", "pre-invoke-success", "post-invoke-success", "pre-install-pkgs":
		return true
	}
	return strings.HasPrefix(lower, "aptcli::hooks::")
}
