package packages

import "strings"

// eachStanza calls yield for each stanza of a control file of Debian (deb822)
// with the number of its first line: texts between empty lines.
func eachStanza(text string, yield func(line int, stanza string) error) error {
	line := 1
	for text != "" {
		stanza := text
		end := strings.Index(text, "\n\n")
		if end >= 0 {
			stanza, text = text[:end+1], text[end+2:]
		} else {
			text = ""
		}
		if strings.TrimSpace(stanza) != "" {
			if err := yield(line+leadingLines(stanza), strings.TrimLeft(stanza, "\n")); err != nil {
				return err
			}
		}
		line += strings.Count(stanza, "\n") + 1
	}
	return nil
}

// leadingLines counts the line ends before the first character.
func leadingLines(s string) int { return len(s) - len(strings.TrimLeft(s, "\n")) }

// eachField calls yield for each field of a stanza with the rest of its first
// line and the lines that continue it. It gives the number of the first line
// that is none of a field, from 1, or 0.
func eachField(stanza string, yield func(name, first, more string)) (bad int) {
	for n := 1; stanza != ""; {
		first, rest := cutLine(stanza)
		lines, more := 1, 0
		for more < len(rest) && (rest[more] == ' ' || rest[more] == '\t') {
			lines++
			if end := strings.IndexByte(rest[more:], '\n'); end >= 0 {
				more += end + 1
			} else {
				more = len(rest)
			}
		}
		colon := strings.IndexByte(first, ':')
		switch {
		case colon > 0 && first[0] != ' ' && first[0] != '\t':
			yield(first[:colon], strings.TrimSpace(first[colon+1:]), rest[:more])
		case bad == 0 && !strings.HasPrefix(first, "#"):
			bad = n
		}
		n += lines
		stanza = rest[more:]
	}
	return bad
}

// cutLine gives the first line without its end, and what is after it.
func cutLine(s string) (line, rest string) {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
