package registry

import (
	"path"
	"strings"
)

// Program gives the file with which a command line begins, as the host's
// files have it; "" where none of that name is known. What stands in quotes is
// a path; without them the system tries each blank as its end, and so does
// this. The home is that of the user as whom it runs, or "".
func (r *Registry) Program(command, home string) string {
	command = strings.TrimSpace(r.Expand(command, home))
	if rest, ok := strings.CutPrefix(command, `"`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		at, _ := r.exists(name)
		return at
	}
	first, guess := "", ""
	for end := 0; end <= len(command); end++ {
		if end < len(command) && command[end] != ' ' && command[end] != '\t' && command[end] != ',' {
			continue
		}
		name := command[:end]
		at, ok := r.exists(name)
		if ok {
			return at
		}
		if first == "" {
			first = at
		}
		if guess == "" && isProgram(name) {
			guess = at
		}
	}
	if guess != "" {
		return guess
	}
	return first
}

// isProgram says whether a name ends as those of programs do.
func isProgram(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".exe", ".sys", ".dll", ".com", ".bat", ".cmd", ".scr", ".ps1", ".vbs", ".js", ".hta", ".msc":
		return true
	}
	return false
}

// exists looks for a file where the system would: at its path, below the
// folder of Windows, and for a name alone in the folders of the system.
func (r *Registry) exists(name string) (at string, ok bool) {
	if name == "" {
		return "", false
	}
	names := []string{name}
	switch {
	case strings.HasPrefix(name, `\`) || len(name) > 1 && name[1] == ':' || strings.HasPrefix(name, "/"):
	case strings.Contains(name, `\`):
		names = []string{`C:\Windows\` + name}
	default:
		names = []string{`C:\Windows\System32\` + name, `C:\Windows\` + name}
	}
	for _, n := range names {
		for _, end := range [...]string{"", ".exe"} {
			got, known := r.fs.Windows(n + end)
			if !known {
				continue
			}
			if st, err := r.fs.Stat(got); err == nil && st.Mode().IsRegular() {
				return got, true
			}
			if at == "" {
				at = got
			}
		}
	}
	if len(names) > 1 {
		return "", false // a name alone that no folder of the system has may be anywhere
	}
	return at, false
}
