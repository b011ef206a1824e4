// Package feed converts feeds of indicators: plain lists, CSV, STIX 2.1,
// OpenIOC, MISP and YETI.
//
// [Formats] gives all of them. Whatever a feed looks like, its indicators go
// into one [collector]: those that stand alone are gathered by what can be
// looked at, as lists beside one query each, so that a machine is asked for
// all of them at once; those that hold only together become queries of their
// own. What expired, what is said to be mere context, and what no endpoint can
// be asked for is counted and named. Indicators that were made harmless to
// send (hxxp, [.]) are mended, and each is shown.
package feed

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// Formats gives the formats, those first that a look tells surely.
func Formats() []convert.Format {
	return []convert.Format{
		{Name: "stix", Doc: "bundles of STIX 2.1 with patterns", Is: isSTIX, Convert: readSTIX},
		{Name: "misp", Doc: "events of MISP, as JSON", Is: isMISP, Convert: readMISP},
		{Name: "openioc", Doc: "OpenIOC 1.0 and 1.1, in XML", Is: isOpenIOC, Convert: readOpenIOC},
		{Name: "yeti", Doc: "observables that YETI exports, as JSON", Is: isYETI, Convert: readYETI},
		{Name: "csv", Doc: "indicators as CSV, with a line of names", Is: isCSV, Convert: readCSV},
		{Name: "list", Doc: "indicators, one a line", Is: isList, Convert: readList},
	}
}

// A field is what an indicator is compared with: a column of a module, or one
// of the contents that have none.
type field string

// The fields that simple indicators go to. What stands before the dot is the
// module.
const (
	fileName     field = "file.name"
	filePath     field = "file.path"
	fileMD5      field = "file.md5"
	fileSHA1     field = "file.sha1"
	fileSHA256   field = "file.sha256"
	fileSHA384   field = "file.sha384"
	fileSHA512   field = "file.sha512"
	fileSHA3     field = "file.sha3_256"
	remote       field = "socket.remote_address"
	endpoint     field = "socket.(remote_address, remote_port)"
	processName  field = "process.name"
	processLine  field = "process.cmdline"
	registryKey  field = "registry.key"
	certSHA1     field = "certificate.sha1"
	certSHA256   field = "certificate.sha256"
	userName     field = "user.name"
	networkText  field = "text.content"   // domains, URLs and the like: wherever they were written down
	fileContent  field = "file.content"   // what files hold
	memoryString field = "memory.content" // what processes hold
)

// An indicator is one thing to look for that stands alone.
type indicator struct {
	field   field
	value   string
	line    int
	expires time.Time // zero for never
	context bool      // the feed says that it is not for detection
}

// A collector gathers indicators, folds what comes twice, and makes rules.
type collector struct {
	input    convert.Input
	base     string // of the names of lists
	result   *convert.Result
	seen     map[indicator]bool
	sets     map[field][]string
	twice    int
	expired  int
	context  int
	mended   int
	rulesets int // of YARA
	unasked  map[string]*unasked
}

// unasked is a kind of indicator that no endpoint can be asked for.
type unasked struct{ count, line int }

// maxMended is how many mended indicators are shown one by one.
const maxMended = 200

func newCollector(in convert.Input) *collector {
	base := filepath.Base(in.Name)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	base = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '-'
	}, base)
	if base = strings.Trim(base, "-"); base == "" {
		base = "feed"
	}
	return &collector{
		input: in, base: base, result: &convert.Result{}, seen: map[indicator]bool{},
		sets: map[field][]string{}, unasked: map[string]*unasked{},
	}
}

// add takes an indicator that stands alone.
func (c *collector) add(x indicator) {
	x.value = strings.TrimSpace(x.value)
	switch {
	case x.value == "":
		return
	case x.context:
		c.context++
		return
	case c.past(x.expires):
		c.expired++
		return
	}
	switch x.field {
	case fileMD5, fileSHA1, fileSHA256, fileSHA384, fileSHA512, fileSHA3, certSHA1, certSHA256:
		x.value = strings.ToLower(strings.ReplaceAll(x.value, ":", ""))
	case networkText:
		x.value = strings.ToLower(x.value)
	}
	key := indicator{field: x.field, value: x.value}
	if c.seen[key] {
		c.twice++
		return
	}
	c.seen[key] = true
	c.sets[x.field] = append(c.sets[x.field], x.value)
}

func (c *collector) past(t time.Time) bool { return !t.IsZero() && t.Before(c.input.Now) }

// cannot counts an indicator of a kind that no endpoint can be asked for.
func (c *collector) cannot(kind string, line int) {
	u := c.unasked[kind]
	if u == nil {
		u = &unasked{line: line}
		c.unasked[kind] = u
	}
	u.count++
}

// done makes the rules of what was gathered.
func (c *collector) done() *convert.Result {
	rules := c.result.Rules // those of indicators that hold only together
	c.result.Rules = nil
	for _, make := range [...]func(){c.files, c.paths, c.content, c.network, c.text, c.processes, c.registry, c.certificates, c.users} {
		make()
	}
	c.result.Rules = append(c.result.Rules, rules...)
	for _, kind := range slices.SortedFunc(maps.Keys(c.unasked), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.unasked[b].count, c.unasked[a].count), strings.Compare(a, b))
	}) {
		u := c.unasked[kind]
		x := convert.Rule{Name: kind, Line: u.line}
		x.Note(u.line, "%d of them, which cannot be looked for", u.count)
		c.result.Rules = append(c.result.Rules, x)
	}
	c.note(c.twice, "indicators that stood there before, and are asked for once")
	c.note(c.expired, "indicators that have expired or were revoked, left out")
	c.note(c.context, "indicators that are context by the word of the feed, and not for detection, left out")
	c.note(c.mended-maxMended, "further indicators that were mended")
	return c.result
}

func (c *collector) note(n int, what string) {
	if n > 0 {
		c.result.Notes = append(c.result.Notes, convert.Note{Message: fmt.Sprintf("%s: %d", what, n)})
	}
}
