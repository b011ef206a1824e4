package account

import (
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A historyLine is a command that a shell, or a program like one, wrote down.
type historyLine struct {
	place
	program  string
	line     int
	at       time.Time
	duration time.Duration // -1 where it is not known
	command  string
}

// The programs whose histories are read.
const (
	histBash, histZsh, histFish  = "bash", "zsh", "fish"
	histSh, histPython, histNode = "sh", "python", "node"
	histMysql, histPsql          = "mysql", "psql"
	histSqlite, histLess         = "sqlite", "less"
)

func shellHistory() modules.Module {
	type row = historyLine
	return table.New(modules.Schema{
		Name: "shell_history", Doc: "The commands that shells, and programs like them, wrote down in every home.",
		Locator: pathLocator("/root/.bash_history"),
	}, []table.Column[row]{
		table.Text("user", "The user in whose home it is.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Text("program", "What wrote it.", func(r *row) string { return r.program }).
			OneOf(histBash, histZsh, histFish, histSh, histPython, histNode, histMysql, histPsql, histSqlite, histLess).Shown(),
		table.Time("time", "When the command was given, where the program writes that down.", func(r *row) time.Time { return r.at }).Shown(),
		table.Value("duration", value.Duration, "How long it ran, which zsh may write down.", func(r *row) value.Value {
			if r.duration < 0 {
				return value.Value{}
			}
			return value.NewDuration(r.duration)
		}),
		table.Text("command", "The command itself, which may hold secrets; one of several lines is whole where the program keeps it so.", func(r *row) string { return r.command }).Sensitive(),
		table.Text("path", "The file that it is written down in.", func(r *row) string { return r.path }).To("file").Shown(),
		table.Int("line", "The number of the line, from 1; of several that belong together the first.", func(r *row) int64 { return int64(r.line) }).Shown(),
	}, listHistory).By()
}

// historyFiles are the usual places, in homes.
func historyFiles() []string {
	return []string{
		".bash_history", ".zsh_history", ".zhistory", ".histfile", ".local/share/fish/fish_history",
		".sh_history", ".ash_history", ".ksh_history", ".history", ".python_history", ".node_repl_history",
		".mysql_history", ".mariadb_history", ".psql_history", ".sqlite_history", ".lesshst",
	}
}

// historyProgram tells by the name of a file what wrote it.
func historyProgram(name string) string {
	base := path.Base(name)
	for _, p := range []struct{ part, program string }{
		{"bash", histBash}, {"zsh", histZsh}, {"zhist", histZsh}, {"histfile", histZsh}, {"fish", histFish},
		{"python", histPython}, {"node", histNode}, {"mysql", histMysql}, {"mariadb", histMysql},
		{"psql", histPsql}, {"sqlite", histSqlite}, {"less", histLess},
	} {
		if strings.Contains(base, p.part) {
			return p.program
		}
	}
	return histSh
}

func listHistory(s *table.Scan, yield func(*historyLine) error) error {
	for p, err := range places(s, historyFiles()...) {
		if err != nil {
			return err
		}
		text, ok := content(s.FS, p.path)
		if !ok {
			continue
		}
		program := historyProgram(p.path)
		lines, malformed := parseHistory(program, text)
		for _, n := range malformed {
			s.Fail(p.path+":"+strconv.Itoa(n), hostfs.ErrMalformed)
		}
		for _, l := range lines {
			l.place, l.program = p, program
			if err := yield(&l); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseHistory reads a history, and gives the numbers of malformed lines, of
// which the first hundred.
func parseHistory(program string, text []byte) (lines []historyLine, malformed []int) {
	switch program {
	case histBash, histSh:
		lines = bashHistory(text)
	case histZsh:
		lines = zshHistory(text)
	case histFish:
		lines, malformed = fishHistory(text)
	case histLess:
		lines = lessHistory(text)
	case histMysql, histPsql, histSqlite:
		lines = escapedHistory(text)
	default:
		for n, line := range table.Lines(text) {
			lines = appendLine(lines, n, line)
		}
	}
	return lines, malformed[:min(len(malformed), maxMalformed)]
}

// appendLine adds a line of which no more is known.
func appendLine(lines []historyLine, n int, command string) []historyLine {
	if command == "" {
		return lines
	}
	return append(lines, historyLine{line: n, duration: -1, command: strings.ToValidUTF8(command, string(utf8.RuneError))})
}

// bashHistory reads lines; one of # and a number is the time of the next.
func bashHistory(text []byte) (lines []historyLine) {
	var at time.Time
	for n, line := range table.Lines(text) {
		if sec, ok := strings.CutPrefix(line, "#"); ok {
			if t, ok := epoch(sec); ok {
				at = t
				continue
			}
		}
		before := len(lines)
		if lines = appendLine(lines, n, line); len(lines) > before {
			lines[before].at = at
		}
		at = time.Time{}
	}
	return lines
}

// epoch reads the seconds since 1970 that a history has.
func epoch(text string) (time.Time, bool) {
	sec, err := strconv.ParseUint(text, 10, 33)
	return time.Unix(int64(sec), 0), err == nil && sec > 0
}

// zshHistory reads lines that may have ": time:duration;" before them. A
// backslash at the end of one continues it; a byte of 0x83 changes the next.
func zshHistory(text []byte) (lines []historyLine) {
	whole, first := "", 0
	end := func() {
		command, at, took := whole, time.Time{}, time.Duration(-1)
		if head, rest, ok := strings.Cut(whole, ";"); ok && strings.HasPrefix(head, ": ") {
			begun, lasted, _ := strings.Cut(strings.TrimSpace(head[2:]), ":")
			sec, err := strconv.ParseUint(lasted, 10, 31)
			if t, ok := epoch(begun); ok && err == nil {
				command, at, took = rest, t, time.Duration(sec)*time.Second
			}
		}
		before := len(lines)
		if lines = appendLine(lines, first, command); len(lines) > before {
			lines[before].at, lines[before].duration = at, took
		}
		whole = ""
	}
	for n, line := range table.Lines(unmeta(text)) {
		if whole == "" {
			first = n
		}
		if joined, more := strings.CutSuffix(line, `\`); more {
			whole += joined + "\n"
			continue
		}
		whole += line
		end()
	}
	end()
	return lines
}

// unmeta takes back what zsh does to bytes that mean something to it.
func unmeta(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == 0x83 && i+1 < len(text) {
			i++
			out = append(out, text[i]^32)
			continue
		}
		out = append(out, text[i])
	}
	return out
}

// fishHistory reads "- cmd: …" with a "when: …" and a list of paths below.
func fishHistory(text []byte) (lines []historyLine, malformed []int) {
	paths := false
	for n, line := range table.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "- cmd: ")
		when, isTime := strings.CutPrefix(line, "when: ")
		switch {
		case isCommand && command != "":
			paths = false
			lines = appendLine(lines, n, strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(command))
			continue
		case isTime && len(lines) > 0:
			if t, ok := epoch(when); ok {
				lines[len(lines)-1].at = t
				continue
			}
		case line == "paths:" && len(lines) > 0:
			paths = true
			continue
		case line == "", paths && strings.HasPrefix(line, "- "):
			continue
		}
		malformed = append(malformed, n)
	}
	return lines, malformed
}

// escapedHistory reads lines of libedit, which writes a space as \040 and has
// a first line that says so.
func escapedHistory(text []byte) (lines []historyLine) {
	escaped := false
	for n, line := range table.Lines(text) {
		if n == 1 && line == "_HiStOrY_V2_" {
			escaped = true
			continue
		}
		if escaped {
			line = octal(line)
		}
		lines = appendLine(lines, n, line)
	}
	return lines
}

// octal takes back what vis(3) does to bytes: three digits behind a backslash.
func octal(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' && i+3 < len(line) {
			if c, err := strconv.ParseUint(line[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		if line[i] == '\\' && i+1 < len(line) && line[i+1] == '\\' {
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String()
}

// lessHistory reads what was searched for, and which shell commands were
// given: lines that begin with a quotation mark.
func lessHistory(text []byte) (lines []historyLine) {
	for n, line := range table.Lines(text) {
		if command, ok := strings.CutPrefix(line, `"`); ok {
			lines = appendLine(lines, n, command)
		}
	}
	return lines
}
