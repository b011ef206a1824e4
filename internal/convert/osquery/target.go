package osquery

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// maxPeriod is how seldom a query may be asked again, in seconds.
const maxPeriod = 7 * 86400

// around puts a query between its target and its period.
func (r *rule) around(c *converter, q *query) string {
	for _, n := range r.notes {
		c.note(0, "%s", n)
	}
	for _, n := range r.losses {
		c.lose(0, "%s", n)
	}
	target := r.target(c)
	for _, text := range r.discovery {
		if t := c.discover(text, q); t != "" && !slices.Contains(target, t) {
			target = append(target, t)
		}
	}
	from := ""
	if r.fleet {
		from = "FROM fleet"
		if len(target) > 0 {
			from += " WHERE " + strings.Join(target, " AND ")
		}
		from += "\n"
		if q.block != nil && q.block.grouped && q.block.host == nil {
			c.lose(0, "osquery makes groups on each host; here they are of all hosts together, and hosts() counts them")
		}
	}
	return from + q.written(r.period(c, q))
}

// period gives how often a query is asked again; empty: once.
func (r *rule) period(c *converter, q *query) string {
	n, err := strconv.Atoi(r.every)
	if err != nil || n <= 0 || !r.fleet {
		return ""
	}
	every := spanOf(float64(min(n, maxPeriod)))
	switch {
	case len(q.group) > 0 || len(q.having) > 0 || q.block != nil && q.block.grouped || q.limit != "" || len(q.more) > 0 || q.not:
		c.lose(0, "hosts compare their own rows with those before, and groups, LIMIT, AND and NOT are of all hosts: EVERY is left out, and --every %s asks it from here", every)
		return ""
	case len(q.order) > 0:
		c.note(0, "what is new comes as it is found: ORDER BY is left out beside EVERY")
		q.order = nil
	}
	if q.distinct {
		c.note(0, "DISTINCT is left out beside EVERY, which tells of each row once")
		q.distinct = false
	}
	return every
}

// systems are osquery's names of systems, and distros those of distributions.
var systems = map[string]string{"linux": "linux", "darwin": "darwin", "macos": "darwin", "osx": "darwin", "windows": "windows"}

var distros = map[string][]string{
	"ubuntu": {"ubuntu"}, "debian": {"debian"}, "centos": {"centos"}, "rhel": {"rhel"}, "redhat": {"rhel"}, "fedora": {"fedora"},
	"gentoo": {"gentoo"}, "amazon": {"amzn"}, "amzn": {"amzn"}, "arch": {"arch"}, "suse": {"sles", "opensuse-leap", "opensuse-tumbleweed"}, "oracle": {"ol"}, "alpine": {"alpine"},
}

// target makes conditions over facts of the platforms of a rule.
func (r *rule) target(c *converter) []string {
	var os, distro []string
	for _, p := range r.platforms {
		switch {
		case p == "posix":
			os = append(os, "linux", "darwin")
		case p == "any" || p == "all":
			return nil
		case systems[p] != "":
			os = append(os, systems[p])
		case distros[p] != nil:
			distro = append(distro, distros[p]...)
		default:
			c.lose(0, "platform %s is left out", p)
		}
	}
	var parts []cond
	if len(os) > 0 {
		parts = append(parts, oneOfWords("os", os))
	}
	if len(distro) > 0 {
		parts = append(parts, oneOfWords("distro", distro))
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{some(parts...).in(precAnd)}
}

// discover makes a condition over facts of a query of discovery, or adds it
// to the query as one that must find something, too.
func (c *converter) discover(text string, q *query) string {
	statements, err := sql.Parse(text)
	if err != nil || len(statements) != 1 {
		c.lose(0, "a query of discovery cannot be read, and is left out: %s", text)
		return ""
	}
	inner := &converter{rule: c.rule, line: func(int) int { return c.line(0) }, tables: c.tables, cat: c.cat, now: c.now}
	before := c.rule.Outcome
	list := inner.statement(statements[0].Query)
	if len(list) != 1 || len(list[0].more) > 0 {
		c.rule.Outcome = before
		c.lose(0, "a query of discovery is left out, so that more hosts are asked: %s", text)
		return ""
	}
	d := list[0]
	d.items, d.order, d.distinct, d.limit = nil, nil, false, ""
	if len(d.group) > 0 || len(d.having) > 0 {
		c.lose(0, "a query of discovery is left out, so that more hosts are asked: %s", text)
		return ""
	}
	where := all(d.conds...)
	if len(d.scans) == 1 && d.scans[0].module == "host" && !d.not && !where.always() && !strings.Contains(where.text, "FIND") {
		return where.in(precAnd)
	}
	if !slices.ContainsFunc(q.more, func(m *query) bool { return m.String() == d.String() }) {
		q.more = append(q.more, d)
	}
	return ""
}
