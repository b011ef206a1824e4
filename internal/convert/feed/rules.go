package feed

import (
	"encoding/csv"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// fewValues is how many values stand in a query; more are a list beside it.
const fewValues = 5

// in gives the condition that a column is one of the gathered values, or "".
func (c *collector) in(column string, f field, quote func(string) string) string {
	values := c.sets[f]
	switch {
	case len(values) == 0:
		return ""
	case len(values) == 1 && f != remote:
		return column + " = " + quote(values[0])
	case len(values) > fewValues && !slices.ContainsFunc(values, isOdd):
		return column + " IN @" + c.list(f, values)
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return column + " IN (" + strings.Join(quoted, ", ") + ")"
}

// isOdd says whether a value would not come back from a line of a list.
func isOdd(v string) bool {
	return strings.ContainsAny(v, "\r\n") || strings.HasPrefix(v, "#") || strings.HasPrefix(v, "{") || v != strings.TrimSpace(v)
}

// list keeps values as a file beside the query, and gives its name.
func (c *collector) list(f field, values []string) string {
	suffix := map[field]string{
		endpoint: "endpoints.csv", remote: "addresses.txt", networkText: "names.txt", fileName: "filenames.txt",
		fileContent: "strings.txt", memoryString: "memory.txt", certSHA1: "certificates-sha1.txt", certSHA256: "certificates-sha256.txt",
	}[f]
	if suffix == "" {
		module, column, _ := strings.Cut(string(f), ".")
		if suffix = column + ".txt"; module != "file" {
			suffix = module + "-" + suffix
		}
	}
	name := c.base + "-" + suffix
	c.result.Lists = append(c.result.Lists, convert.List{Name: name, Text: []byte(strings.Join(values, "\n") + "\n")})
	return name
}

func bare(v string) string { return v }

// rule adds a rule that is whole, if there is a query.
func (c *collector) rule(name string, queries ...string) *convert.Rule {
	c.result.Rules = append(c.result.Rules, convert.Rule{Name: name, Outcome: convert.Whole, Queries: queries})
	return &c.result.Rules[len(c.result.Rules)-1]
}

func or(conds ...string) string {
	return strings.Join(slices.DeleteFunc(conds, func(c string) bool { return c == "" }), " OR ")
}

// everywhere gives queries of all files: Windows has other roots.
func everywhere(rest string) []string {
	return []string{
		"FROM fleet WHERE os != \"windows\"\nFIND file / " + rest,
		"FROM fleet WHERE os = \"windows\"\nFIND file 'C:\\**' " + rest,
	}
}

// files asks for names and hashes in one walk and one read of each file.
func (c *collector) files() {
	cond := or(
		c.in("name", fileName, convert.Quote), c.in("md5", fileMD5, convert.Quote), c.in("sha1", fileSHA1, convert.Quote),
		c.in("sha256", fileSHA256, convert.Quote), c.in("sha384", fileSHA384, convert.Quote), c.in("sha512", fileSHA512, convert.Quote),
		c.in("sha3_256", fileSHA3, convert.Quote), c.pairs("md5"), c.pairs("sha1"), c.pairs("sha256"), c.pairs("sha512"),
	)
	if cond == "" {
		return
	}
	x := c.rule("files by name and hash", everywhere("WHERE type = \"file\" AND ("+cond+") RETURN path, size, mtime, owner, sha256")...)
	x.Description = "Files that the feed names, anywhere. Every file is read once where there are hashes; narrow the place to ask sooner."
}

// pairsOf is the field of names that come with a hash.
func pairsOf(column string) field { return field("file.name-" + column) }

// pairs gives the condition of names with their hashes, kept as CSV.
func (c *collector) pairs(column string) string {
	f := pairsOf(column)
	if len(c.sets[f]) == 0 {
		return ""
	}
	name := c.base + "-name-" + column + ".csv"
	c.result.Lists = append(c.result.Lists, convert.List{Name: name, Text: []byte(strings.Join(c.sets[f], "\n") + "\n")})
	return "(name, " + column + ") IN @" + name
}

func (c *collector) paths() {
	if cond := c.in("path", filePath, convert.Quote); cond != "" {
		c.rule("files by path", "FROM fleet\nFIND file WHERE "+cond+" RETURN path, type, size, mtime, owner, sha256")
	}
}

func (c *collector) content() {
	if cond := c.contains(fileContent, ""); cond != "" {
		c.rule("files by content", everywhere(cond+" RETURN path, size, mtime, owner")...)
	}
	if cond := c.contains(memoryString, ""); cond != "" {
		c.rule("memory of processes", "FROM fleet\nFIND memory "+cond+" RETURN process, process.name, process.exe, address")
	}
}

// contains gives CONTAINS of the gathered values, or "".
func (c *collector) contains(f field, suffix string) string {
	in := c.in("", f, quoteContent)
	if in == "" {
		return ""
	}
	return "CONTAINS " + strings.TrimPrefix(strings.TrimPrefix(in, " IN "), " = ") + suffix
}

// network asks for connections: addresses, networks, and addresses with ports.
func (c *collector) network() {
	cond := or(c.in("remote_address", remote, bare), c.endpoints())
	if cond != "" {
		c.rule("connections", "FROM fleet\nFIND socket WHERE "+cond+" RETURN protocol, state, remote_address, remote_port, process.name, process.exe, process.user")
	}
}

// endpoints gives the condition of addresses with ports, kept as CSV.
func (c *collector) endpoints() string {
	pairs := c.sets[endpoint]
	if len(pairs) == 0 {
		return ""
	}
	return "(remote_address, remote_port) IN @" + c.list(endpoint, pairs)
}

// record writes values as a line of CSV.
func record(values ...string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(values); err != nil {
		return "" // a Builder takes everything
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// Where names of hosts are written down. A machine remembers whom it asked in
// its logs, its histories and its settings; nothing keeps what was resolved.
var (
	writtenUnix    = "/etc, /var/log, /var/spool, /root, /home, /Users, /tmp, /var/tmp, /opt, /srv"
	writtenWindows = `'C:\Users', 'C:\ProgramData', 'C:\Windows\System32\drivers\etc', 'C:\Windows\Temp', 'C:\inetpub\logs'`
)

// text asks where names of hosts and URLs were written down, and which
// processes were called with them.
func (c *collector) text() {
	cond := c.contains(networkText, " NOCASE")
	if cond == "" {
		return
	}
	rest := " " + cond + " RETURN path, line_number, mtime, owner WITH decompress = on"
	x := c.rule("names of hosts and URLs, where they were written down",
		"FROM fleet WHERE os = \"linux\"\nFIND file "+strings.Replace(writtenUnix, "/Users, ", "", 1)+rest,
		"FROM fleet WHERE os = \"darwin\"\nFIND file "+writtenUnix+rest,
		"FROM fleet WHERE os = \"windows\"\nFIND file "+writtenWindows+rest,
		"FROM fleet\nFIND process WHERE cmdline "+cond+" RETURN pid, name, exe, cmdline, user",
	)
	x.Description = "Domains, URLs and the like in logs, histories and settings, and in the arguments of processes. No system keeps which names it has resolved."
}

func (c *collector) processes() {
	var line string
	if in := c.contains(processLine, ""); in != "" {
		line = "cmdline " + in
	}
	if cond := or(c.in("name", processName, convert.Quote), line); cond != "" {
		c.rule("processes", "FROM fleet\nFIND process WHERE "+cond+" RETURN pid, name, exe, cmdline, user, started")
	}
}

// maxKeys is how many registry keys one query has as places.
const maxKeys = 500

func (c *collector) registry() {
	var queries []string
	for keys := range slices.Chunk(c.sets[registryKey], maxKeys) {
		places := make([]string, len(keys))
		for i, k := range keys {
			places[i] = convert.Quote(k)
		}
		queries = append(queries, "FROM fleet WHERE os = \"windows\"\nFIND registry "+strings.Join(places, ", ")+" RETURN key, name, modified")
	}
	if queries != nil {
		c.rule("registry", queries...)
	}
}

func (c *collector) certificates() {
	if cond := or(c.in("sha1", certSHA1, convert.Quote), c.in("sha256", certSHA256, convert.Quote)); cond != "" {
		c.rule("certificates that are trusted", "FROM fleet\nFIND certificate WHERE "+cond+" RETURN path, subject, issuer, not_after, sha256")
	}
}

func (c *collector) users() {
	if cond := c.in("name", userName, convert.Quote); cond != "" {
		c.rule("accounts", "FROM fleet\nFIND user WHERE "+cond+" RETURN name, uid, home, shell")
	}
}
