package main

import (
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

// form says how the lines of an output become the items of an answer.
type form int

const (
	formPath  form = iota // a path
	formHash              // "hash path" or "hash *path"; item "path hash"
	formLine              // "path:number:text"; item "path:number"
	formKnown             // as formHash; the path, if the hash is in the list
	formRows              // JSON rows of Quaestor, see rowItem
	formNone              // not compared
)

// step is one process; its arguments may hold the names of vars.
type step struct {
	argv []string
	form form
}

// command is a tool, or several one after the other whose costs add up.
type command struct {
	name  string
	steps []step
}

// metric is what a goal bounds.
type metric int

const (
	wall   metric = iota // ratio of medians
	cpu                  // ratio of medians, user + system
	rss                  // bytes, of ours alone
	millis               // wall in milliseconds, of ours alone
)

// goal is a bound on ours; against names the peers of which the best counts,
// all where it is empty.
type goal struct {
	metric  metric
	limit   float64
	against string // part of a peer's name
}

// job is one question put to us and to the peers.
type job struct {
	name  string
	truth string // name of the answer in planted.Truth
	query string // ours
	peers []command
	goals []goal
}

const (
	maxRSS   = 32e6 // bytes; a search must not be felt on the host
	startRSS = 30e6 // bytes
	startMS  = 40   // milliseconds for a whole process
)

// ours is our command for a query.
func ours(query string) command {
	return command{oursName, []step{{[]string{"$OURS", "run", query, "--format", "jsonl"}, formRows}}}
}

const (
	oursName  = "quaestor"
	floorName = "read floor"
)

func one(name string, f form, argv ...string) command { return command{name, []step{{argv, f}}} }

func shell(name string, f form, line string) command { return one(name, f, "sh", "-c", line) }

// rg is ripgrep at its best: -a spares it the hunt for NUL bytes, a factor of 1.6.
func rg(name string, args ...string) command {
	argv := append([]string{"rg", "-uuu", "-a", "--no-messages", "-j2"}, args...)
	f := formPath
	if name == "rg -n" {
		f = formLine
	}
	return one(name, f, append(argv, "$TREE")...)
}

func pair(w, c float64) []goal { return []goal{{wall, w, ""}, {cpu, c, ""}, {rss, maxRSS, ""}} }

const (
	rhashXargs = "find '$TREE' -type f -print0 | xargs -0 -P2 -n 256 rhash --sha256"
	fileIs     = "FIND file $TREE/** WHERE type = file AND "
	tree       = "FIND file $TREE/** "
)

func ugrep(args ...string) command {
	argv := append([]string{"ugrep", "-r", "--no-messages", "-l", "-F", "-J2", "--hidden"}, args...)
	return one("ugrep", formPath, append(argv, "$TREE")...)
}

func triage(name string, hash step) command {
	return command{name, []step{
		rg("", "-l", "-F", planted.Literal).steps[0],
		rg("", "-l", planted.Regex).steps[0],
		hash,
		{[]string{"find", "$TREE", "-type", "f", "-newermt", planted.Since}, formPath},
	}}
}

// jobs is the table. Ours is the query; adjust it here when the language moves.
func jobs() []job {
	hashdeep := one("hashdeep", formPath, "hashdeep", "-j2", "-c", "sha256", "-r", "-m", "-k", "$LISTS/"+planted.ShaHashdeep, "$TREE")
	return []job{
		{"literal", planted.SetLiteral, tree + `CONTAINS "` + planted.Literal + `" RETURN path`,
			[]command{rg("rg", "-l", "-F", planted.Literal), one(floorName, formNone, "$FLOOR", "$TREE")},
			append(pair(0.68, 0.70), goal{wall, 1.12, floorName}, goal{cpu, 1.12, floorName})},
		{"literal nocase", planted.SetLiteralNocase, tree + `CONTAINS "` + planted.Literal + `" NOCASE RETURN path`,
			[]command{rg("rg", "-l", "-i", "-F", planted.Literal)}, pair(0.65, 0.65)},
		{"regex with literal", planted.SetRegex, tree + `MATCHES '` + planted.Regex + `' RETURN path`,
			[]command{rg("rg", "-l", planted.Regex)}, pair(0.50, 0.50)},
		{"regex without literal", planted.SetFreeRegex, tree + `MATCHES '` + planted.FreeRegex + `' RETURN path`,
			[]command{rg("rg", "-l", "--no-unicode", planted.FreeRegex),
				one("grep", formPath, "grep", "-a", "-rlsE", planted.FreeRegex, "$TREE")},
			[]goal{{wall, 0.75, "rg"}, {cpu, 0.65, "rg"}, {cpu, 1, "grep"}, {rss, maxRSS, ""}}},
		{"matching lines", planted.SetLines, tree + `CONTAINS "` + planted.Line + `" RETURN path, line_number, line`,
			[]command{rg("rg -n", "-n", "-H", "--no-heading", "-F", planted.Line)}, pair(0.75, 0.75)},
		{"1,000 literals", planted.SetIOC, tree + `CONTAINS @$LISTS/` + planted.IOCList + ` RETURN path`,
			[]command{rg("rg", "-l", "-F", "-f", "$LISTS/"+planted.IOCList), ugrep("-f", "$LISTS/"+planted.IOCList)}, pair(0.25, 0.25)},
		{"1,000 literals nocase", planted.SetIOCNocase, tree + `CONTAINS @$LISTS/` + planted.IOCList + ` NOCASE RETURN path`,
			[]command{rg("rg", "-l", "-i", "-F", "-f", "$LISTS/"+planted.IOCList), ugrep("-i", "-f", "$LISTS/"+planted.IOCList)}, pair(0.25, 0.25)},
		{"by name", planted.SetName, tree + `WHERE name GLOB "*.so" RETURN path`,
			[]command{one("find", formPath, "find", "$TREE", "-type", "f", "-name", "*.so"),
				one("fd", formPath, "fdfind", "-j2", "-uuu", "-t", "f", `\.so$`, "$TREE")}, pair(0.70, 0.90)},
		// fd's k is 1,000 and its + includes the bound; find's c is a byte.
		{"by size, mtime and mode", planted.SetMeta, fileIs + `size > 10240 AND mtime >= ` + planted.Since + ` AND executable RETURN path`,
			[]command{one("find", formPath, "find", "$TREE", "-type", "f", "-size", "+10240c", "-newermt", planted.Since, "-perm", "/111"),
				one("fd", formPath, "fdfind", "-j2", "-uuu", "-t", "x", "-S", "+10241b", "--changed-after", planted.Since+" 00:00:00", ".", "$TREE")}, pair(0.75, 1.10)},
		{"sha256 of every file", planted.SetSha, "FIND file $TREE/** WHERE type = file RETURN path, sha256",
			[]command{one("rhash -r", formHash, "rhash", "--sha256", "-r", "$TREE"), shell("rhash xargs -P2", formHash, rhashXargs),
				shell("sha256sum xargs -P2", formHash, "find '$TREE' -type f -print0 | xargs -0 -P2 -n 256 sha256sum"),
				// openssl writes a line in pieces, so that two tear each other's lines: timed, not compared.
				shell("openssl xargs -P2 (answer not compared)", formNone, "find '$TREE' -type f -print0 | xargs -0 -P2 -n 256 openssl dgst -sha256 -r")}, pair(0.50, 0.75)},
		{"one of 10,000 sha256", planted.SetKnown, tree + "WHERE sha256 IN @$LISTS/" + planted.ShaList + " RETURN path", []command{hashdeep}, pair(0.25, 0.25)},
		{"one of 10,000 sha256 with sizes", planted.SetKnown, tree + "WHERE sha256 IN @$LISTS/" + planted.ShaSizeList + " RETURN path", []command{hashdeep}, pair(0.04, 0.04)},
		// The hasher among the four tools only hashes, which is faster than hashdeep; looking up is our gift.
		{"four questions in one", planted.SetTriage, fileIs + `(CONTAINS "` + planted.Literal + `" OR MATCHES '` + planted.Regex + `' OR sha256 IN @$LISTS/` +
			planted.ShaList + " OR mtime >= " + planted.Since + ") RETURN path",
			[]command{triage("rg, rg, rhash -r, find", step{[]string{"rhash", "--sha256", "-r", "$TREE"}, formKnown}),
				triage("rg, rg, rhash xargs -P2, find", step{[]string{"sh", "-c", rhashXargs}, formKnown})}, pair(0.35, 0.35)},
		{"start", "", "FIND host", nil, []goal{{millis, startMS, ""}, {rss, startRSS, ""}}},
	}
}

// vars stand in the table for what is known only at run time.
type vars struct{ ours, floor, corpus string }

func (v vars) expand(argv []string) []string {
	r := strings.NewReplacer("$OURS", v.ours, "$FLOOR", v.floor, "$LISTS", v.corpus, "$TREE", filepath.Join(v.corpus, planted.Tree))
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = r.Replace(a)
	}
	return out
}
