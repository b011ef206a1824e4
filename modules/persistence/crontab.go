package persistence

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/table"
)

// A tab is what a table of cron or anacron holds.
type tab struct {
	jobs []job
	bad  []int // lines that are none of its format
}

// maxLines is how many jobs and settings are taken of one table. Cron itself
// refuses tables of more than 10,000 lines.
const maxLines = 10000

// parseCrontab reads a table as crontab(5) has it: settings of the
// environment, which hold for the lines below, and jobs with five fields of
// time or a word such as @daily, and, in the tables of the system, a user.
func parseCrontab(text []byte, system bool) tab {
	return parseTab(text, func(line string) (job, bool) {
		line = strings.TrimPrefix(line, "-") // says only that the job is not logged
		words := 5
		if strings.HasPrefix(line, "@") {
			words = 1
		}
		fields, rest := cut(line, words)
		j := job{schedule: strings.Join(fields, " ")}
		if len(fields) < words || !isSchedule(fields) {
			return job{}, false
		}
		if system {
			var user []string
			if user, rest = cut(rest, 1); len(user) == 0 {
				return job{}, false
			}
			j.user = user[0]
		}
		j.command = rest
		return j, rest != ""
	})
}

// parseAnacrontab reads a table as anacrontab(5) has it: a period in days, a
// delay in minutes, a name and a command.
func parseAnacrontab(text []byte) tab {
	return parseTab(text, func(line string) (job, bool) {
		fields, rest := cut(line, 3)
		if len(fields) < 3 || rest == "" {
			return job{}, false
		}
		_, err := strconv.ParseUint(fields[0], 10, 31)
		if _, err2 := strconv.ParseUint(fields[1], 10, 31); err2 != nil || err != nil && !isNick(fields[0]) {
			return job{}, false
		}
		return job{schedule: fields[0] + " " + fields[1], name: fields[2], command: rest, user: "root"}, true
	})
}

// parseTab reads the lines of a table, each of which is a setting or a job.
func parseTab(text []byte, parse func(string) (job, bool)) tab {
	var t tab
	var env []string
	for n, line := range table.Lines(text) {
		if n > maxLines {
			t.bad = append(t.bad, n)
			break
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if name, value, ok := setting(line); ok {
			// A list of its own for each state: the jobs above keep theirs.
			env = append(slices.DeleteFunc(slices.Clone(env), func(e string) bool {
				return strings.HasPrefix(e, name+"=")
			}), name+"="+value)
			continue
		}
		j, ok := parse(line)
		if !ok {
			t.bad = append(t.bad, n)
			continue
		}
		j.line, j.environment = int64(n), env
		t.jobs = append(t.jobs, j)
	}
	return t
}

// setting takes NAME = "value" apart, where either side may be in quotes.
func setting(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, "=")
	name, value = unquote(strings.TrimSpace(name)), unquote(strings.TrimSpace(value))
	return name, value, ok && name != "" && !strings.ContainsAny(name, " \t*/@'\"-,")
}

// unquote takes away a pair of quotes around a text.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// cut gives the first n words of a line and what is behind them.
func cut(line string, n int) (words []string, rest string) {
	rest = strings.TrimLeft(line, " \t")
	for len(words) < n && rest != "" {
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		words = append(words, rest[:end])
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	return words, rest
}

// isNick says whether a word stands for five fields of time.
func isNick(s string) bool {
	switch strings.ToLower(s) {
	case "@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
		return true
	}
	// Cron of FreeBSD and some others counts seconds after the last run.
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "@"), 10, 31)
	return err == nil && n > 0 && strings.HasPrefix(s, "@")
}

// isSchedule says whether words are what cron takes for a time.
func isSchedule(fields []string) bool {
	if len(fields) == 1 {
		return isNick(fields[0])
	}
	bounds := [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}
	for i, f := range fields {
		for part := range strings.SplitSeq(f, ",") {
			if !isTimes(part, bounds[i], i) {
				return false
			}
		}
	}
	return true
}

// isTimes says whether a part of a field is *, a number, a name, or a range of
// them, with a step or without.
func isTimes(part string, bound [2]int, field int) bool {
	times, step, stepped := strings.Cut(part, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n <= 0) {
		return false
	}
	if times == "*" {
		return true
	}
	low, high, ranged := strings.Cut(strings.Replace(times, "~", "-", 1), "-")
	return isTime(low, bound, field) && (!ranged || isTime(high, bound, field))
}

// isTime says whether a word is a number within bounds, or a name.
func isTime(word string, bound [2]int, field int) bool {
	if n, err := strconv.Atoi(word); err == nil {
		return n >= bound[0] && n <= bound[1]
	}
	return field >= 3 && isNameOf(word, field)
}

// isNameOf says whether a word is a month (field 3) or a day (field 4).
func isNameOf(word string, field int) bool {
	names := "jan feb mar apr may jun jul aug sep oct nov dec"
	if field == 4 {
		names = "sun mon tue wed thu fri sat"
	}
	word = strings.ToLower(word)
	return len(word) >= 3 && slices.Contains(strings.Fields(names), word[:3])
}

// parseAt reads a job of at(1): a script that begins with the user's number
// and with the environment in which it was made. The file's name says when.
func parseAt(text []byte) (j job, uid int64, ok bool) {
	uid = -1
	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "#!") {
		return job{}, uid, false
	}
	var command []string
	for i, line := range lines[1:] {
		name, value, set := strings.Cut(line, "=")
		value, exported := strings.CutSuffix(value, "; export "+name)
		switch {
		case strings.HasPrefix(line, "# atrun uid="):
			number, _, _ := strings.Cut(strings.TrimPrefix(line, "# atrun uid="), " ")
			if n, err := strconv.ParseUint(number, 10, 32); err == nil {
				uid = int64(n)
			}
		case strings.HasPrefix(line, "# mail ") && i < 4:
			if words := strings.Fields(line); len(words) > 2 {
				j.user = words[2]
			}
		case set && exported && len(j.environment) < maxLines:
			j.environment = append(j.environment, name+"="+shellWord(value))
		default:
			command = append(command, line)
		}
	}
	j.command = atCommand(strings.Join(command, "\n"))
	return j, uid, uid >= 0
}

// shellWord takes away the backslashes that at puts before letters that the
// shell understands.
func shellWord(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// atCommand leaves out what at itself puts around what the user wrote, and
// nothing else: whoever changes the file may put a line anywhere.
func atCommand(script string) string {
	var kept []string
	end := "" // of the text that newer versions hand to the shell
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		_, name, given := strings.Cut(line, "<< 'marcinDELIMITER")
		switch {
		case end != "" && line == end:
			end = ""
		case end == "" && given && strings.HasPrefix(line, "${SHELL:-/bin/sh} <<"):
			end = "marcinDELIMITER" + strings.TrimSuffix(name, "'")
		case end == "" && isFrame(line):
		default:
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// isFrame says whether a line is one by which at goes to the directory in
// which the job was made.
func isFrame(line string) bool {
	switch strings.TrimSpace(line) {
	case "echo 'Execution directory inaccessible' >&2", "exit 1", "}":
		return true
	}
	dir, ok := strings.CutPrefix(line, "cd ")
	dir, ok2 := strings.CutSuffix(dir, " || {")
	mask, ok3 := strings.CutPrefix(line, "umask ")
	if ok3 {
		_, err := strconv.ParseUint(mask, 8, 16)
		return err == nil
	}
	return ok && ok2 && !strings.ContainsAny(dir, ";&|`$ ")
}

// atName takes the name of a job's file apart: a letter for the queue, or =
// while it runs, the number of the job in five digits and the time in
// minutes since 1970 in eight.
func atName(name string) (number string, at time.Time, ok bool) {
	if len(name) != 14 {
		return "", time.Time{}, false
	}
	n, err1 := strconv.ParseUint(name[1:6], 16, 32)
	minutes, err2 := strconv.ParseUint(name[6:], 16, 32)
	if err1 != nil || err2 != nil {
		return "", time.Time{}, false
	}
	return strconv.FormatUint(n, 10), time.Unix(int64(minutes)*60, 0).UTC(), true
}
