package house

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A floor says which packages of ours a package may import, and why no more.
// Tests may import what they like.
type floor struct {
	pkg  string // "." is the root
	may  string // packages, separated by blanks
	why  string
	down bool // it counts for the folders below, too
}

// floors is the whole house, from the ground to the top. A package that is
// not here is refused: say where it stands.
var floors = []floor{
	{pkg: "value", why: "what all speak; it knows nobody"},
	{pkg: "internal/search", why: "finds patterns in bytes and knows neither files nor queries"},
	{pkg: "lang", may: "value", why: "text and tree; it knows no catalogue, so that a query can be read and printed without one"},
	{pkg: "modules", may: "value internal/search", why: "says what a module is; who writes one needs nothing else"},
	{pkg: "modules/file/unpack", why: "opens what strangers packed; the less it can reach the better"},
	{pkg: "modules/file", may: "modules modules/hostfs modules/native modules/packages modules/records/plist value internal/search modules/file/unpack modules/yara modules/yara/asking", why: "recognises and parses; what a query means is decided above"},
	{pkg: "modules/hostfs", may: "modules", why: "reads files and knows none of their formats"},
	{pkg: "modules/sqlite", may: "modules/hostfs", why: "a format that several modules read; it knows no module"},
	{pkg: "modules/table", may: "modules modules/hostfs value", why: "what modules of columns have in common; it knows no host"},
	{pkg: "modules/host", may: "modules modules/hostfs value", why: "as modules/file"},
	{pkg: "modules/account", may: "modules modules/hostfs modules/records/plist modules/table modules/windows/regf modules/windows/registry value", why: "as modules/file"},
	{pkg: "modules/binary", may: "modules modules/hostfs modules/native modules/records/plist modules/table value", why: "as modules/file"},
	{pkg: "modules/machine", may: "modules modules/account modules/hostfs modules/table value", why: "as modules/file"},
	{pkg: "modules/packages", may: "modules modules/account modules/hostfs modules/records/plist modules/sqlite modules/table modules/windows/registry value", why: "as modules/file"},
	{pkg: "modules/persistence", may: "modules modules/account modules/file/unpack modules/hostfs modules/records/plist modules/table modules/windows/registry value", why: "as modules/file"},
	{pkg: "modules/macos", may: "modules modules/account modules/hostfs modules/records/plist modules/table value", why: "as modules/file"},
	{pkg: "modules/native", why: "calls of a system that give bytes; what they mean is said by who asks"},
	{pkg: "modules/network", may: "modules modules/hostfs modules/native modules/table value", why: "as modules/file; it reaches no other host"},
	{pkg: "modules/process", may: "modules modules/account modules/hostfs modules/native modules/table value internal/search modules/yara modules/yara/asking", why: "as modules/file"},
	{pkg: "modules/probe", may: "modules modules/table value", why: "sends, and reads nothing of the host: it can run where there is a network and no file"},
	{pkg: "modules/self", may: "modules modules/table value", why: "says what it is told about who looks"},
	{pkg: "modules/records", may: "modules modules/file/unpack modules/hostfs modules/records/plist modules/sqlite modules/table value", why: "as modules/file"},
	{pkg: "modules/records/plist", may: "modules/hostfs", why: "a format that several modules read; it knows no module"},
	{pkg: "modules/yara", may: "internal/search modules/yara/pattern", why: "a language of others and its scanner; it knows neither queries nor files"},
	{pkg: "modules/yara/pattern", may: "internal/search", why: "finds what rules call strings in bytes"},
	{pkg: "modules/yara/view", why: "reads numbers of a content and knows no format"},
	{pkg: "modules/yara/field", may: "modules/yara", why: "makes what rules import of tables; it knows no format"},
	{pkg: "modules/yara/elf", may: "modules/yara modules/yara/field modules/yara/view", why: "parses what strangers wrote; the less it can reach the better"},
	{pkg: "modules/yara/pe", may: "modules/yara modules/yara/field modules/yara/view", why: "as modules/yara/elf"},
	{pkg: "modules/yara/asking", may: "modules modules/yara modules/yara/library value", why: "puts rules to contents that modules hand in; it reads none"},
	{pkg: "modules/yara/library", may: "modules/yara modules/yara/elf modules/yara/field modules/yara/pe", why: "the list of what rules may import"},
	{pkg: "modules/windows/regf", why: "a format: it knows neither hosts nor rows"},
	{pkg: "modules/windows/evtx", why: "as modules/windows/regf"},
	{pkg: "modules/windows/evtxtest", why: "writes event logs for tests, and shares no code with what reads them"},
	{pkg: "modules/windows/prefetch", why: "as modules/windows/regf"},
	{pkg: "modules/windows/hivetest", why: "writes hives for tests, and shares no code with what reads them"},
	{pkg: "modules/windows/registry", may: "modules modules/hostfs modules/windows/regf value", why: "the registry of a host; what keys mean is for modules to say"},
	{pkg: "modules/windows", may: "modules modules/hostfs modules/table modules/windows/evtx modules/windows/prefetch modules/windows/regf modules/windows/registry value", why: "as modules/file"},
	{pkg: "modules/moduletest", may: "modules value", why: "checks modules of others, who have nothing else either"},
	{pkg: "modules/std", may: "modules modules/account modules/binary modules/file modules/host modules/machine modules/macos modules/network modules/packages modules/persistence modules/probe modules/process modules/records modules/self modules/windows", why: "the list of ours and nothing else"},
	{pkg: "plan", may: "value internal/search", why: "travels to agents, who parse no queries; evaluates over values alone"},
	{pkg: "plan/answer", may: "value modules", why: "the form of what comes back; who reads answers runs no plans"},
	{pkg: "planner", may: "lang modules modules/yara modules/yara/asking plan value internal/search", why: "looks at no host: it sees schemas and never scans; rules of YARA are checked where they are read"},
	{pkg: "engine", may: "plan plan/answer modules value", why: "runs plans on endpoints, where no query is parsed"},
	{pkg: "engine/rounds", may: "plan plan/answer modules value", why: "compares answers, on endpoints too; asks nobody"},
	{pkg: "signing/translog", may: "internal/wholefile", why: "proves what stands in a log; what that means is said above"},
	{pkg: "signing", may: "signing/translog", why: "who may ask what; it knows no plan from the inside"},
	{pkg: "signing/sealing", may: "signing", why: "opens and closes; never linked into a relay"},
	{pkg: "signing/journal", may: "internal/wholefile signing", why: "remembers what ran, and decides nothing else"},
	{pkg: "transport", why: "bytes only: what frames hold is nothing to it"},
	{pkg: "transport/message", may: "signing signing/translog", why: "the words of the protocol; what is inside them is verified by others"},
	{pkg: "relay/outbox", may: "relay/meter transport/message", why: "holds frames for a stream, and knows nobody's"},
	{pkg: "relay/leaf", may: "internal/room internal/wholefile relay/meter relay/outbox relay/watch signing transport transport/message", why: "carries what agents and relays say, and keeps what it cannot read"},
	{pkg: "relay/meter", why: "counts and writes counts down; it knows nothing that is counted"},
	{pkg: "relay/watch", may: "relay/meter value", why: "shows numbers; that they name nobody is for who hands them in"},
	{pkg: "relay", may: "internal/room internal/wholefile plan relay/leaf relay/meter relay/outbox relay/watch signing signing/translog transport transport/message value", why: "routes by facts and keeps what it cannot read"},
	{pkg: "agent/sandbox", may: "engine modules modules/hostfs plan plan/answer signing value", why: "runs plans in a process apart, which knows no relay and no key"},
	{pkg: "agent", may: "agent/sandbox agent/upgrade engine engine/rounds internal/wholefile modules plan plan/answer signing signing/journal signing/sealing signing/translog transport transport/message value", why: "runs what its gate accepted, on an endpoint, where no query is parsed"},
	{pkg: "internal/wholefile", why: "puts files in their places, whatever is in them"},
	{pkg: "internal/room", why: "asks the system about a disk"},
	{pkg: "agent/upgrade", may: "internal/room internal/wholefile signing signing/translog", why: "puts one program in the place of another; whether it may be is judged above"},
	{pkg: "client", may: ". engine internal/wholefile lang modules modules/std plan plan/answer planner signing signing/sealing signing/translog transport transport/message value", why: "asks fleets for whoever has a key"},
	{pkg: "internal/simulate", may: "agent modules value", why: "many agents in one process, with modules that are handed in; it asks nobody"},
	{pkg: "internal/demo", may: ". agent client modules modules/std relay signing transport transport/message", why: "a fleet in a temporary folder"},
	{pkg: ".", may: "lang planner plan plan/answer engine engine/rounds modules modules/std value", why: "the library: joins the floors below"},
	{pkg: "sqldriver", may: ". plan/answer value", why: "database/sql over any session: it links no network"},
	{pkg: "internal/complete", may: "lang modules plan planner value", why: "says how a query may go on; compiles and runs none"},
	{pkg: "internal/render", may: ". lang modules value plan/answer", why: "shows answers; asks nothing"},
	{pkg: "internal/gateway", may: ". client internal/complete internal/render lang modules plan/answer planner signing transport/message value", why: "answers programs over HTTP; who may ask is settled in front of it"},
	{pkg: "internal/web", may: "internal/gateway", why: "a page for a browser; all that it knows comes through the gateway"},
	{pkg: "internal/cases", may: ". modules plan/answer value", why: "keeps and shows answers; asks nobody and holds no key"},
	{pkg: "internal/lsp", may: ". internal/complete lang planner value", why: "speaks to editors; what a query may say is said by others, and none is run"},
	{pkg: "repl", may: "internal/complete internal/wholefile lang value", why: "the prompt works on any session: it knows no network, no key and no fleet"},
	{pkg: "internal/manpage", why: "prints what a table of commands says, and knows no command"},
	{pkg: "internal/nocore", why: "guards a process, and knows not what it holds"},
	{pkg: "internal/abreast", why: "lets tests run next to each other, and knows none of them"},
	{pkg: "internal/hostile", why: "texts for tests, and what may become of them; it knows no place where they are shown"},
	{pkg: "internal/pretend", may: "modules plan/answer value", why: "hosts that stand in a text; it knows no query"},
	{pkg: "internal/querytest", may: ". engine internal/pretend internal/wholefile lang modules plan plan/answer planner value", why: "runs the tests of query files on pretended hosts, through planner, engine and library"},
	{pkg: "internal/spec", may: ". internal/pretend lang modules modules/std plan plan/answer value", why: "runs behaviour scripts through the library, as a user would"},
	{pkg: "internal/scaffold", may: "lang modules", why: "writes files for others to go on with; it runs nothing"},
	{pkg: "internal/convert", may: "lang planner", why: "the rules of others become texts of queries; it runs none"},
	{pkg: "internal/convert/converttest", may: "internal/convert modules modules/std", why: "what tests of formats have in common; no program links it"},
	{pkg: "internal/convert/document", may: "internal/convert", why: "trees with lines, for every format that is JSON or YAML"},
	{pkg: "internal/convert/mig", may: "internal/convert internal/convert/document", why: "knows the text of one format, and no file, terminal or fleet"},
	{pkg: "internal/convert/artifact", may: "internal/convert internal/convert/document", why: "as internal/convert/mig"},
	{pkg: "internal/convert/feed", may: "internal/convert internal/convert/document", why: "as internal/convert/mig"},
	{pkg: "internal/convert/osquery", may: "internal/convert internal/convert/document internal/convert/osquery/sql lang modules plan planner value", why: "as internal/convert/mig, and tables that must fit the modules"},
	{pkg: "internal/convert/osquery/sql", why: "reads SQL and knows neither osquery nor queries of ours"},
	{pkg: "internal/convert/sigma", may: "internal/convert internal/convert/document", why: "as internal/convert/mig"},
	{pkg: "internal/convert/formats", may: "internal/convert internal/convert/artifact internal/convert/feed internal/convert/mig internal/convert/osquery internal/convert/sigma", why: "the list of formats and nothing else"},
	{pkg: "internal/cli", may: ". client internal/cases internal/complete internal/convert internal/convert/formats internal/demo internal/gateway internal/lsp internal/manpage internal/nocore internal/querytest internal/render internal/scaffold internal/spec internal/web internal/wholefile lang modules modules/std plan plan/answer planner repl signing signing/translog transport transport/message value", why: "the command, with its surroundings handed in"},
	{pkg: "internal/docs", down: true, may: ". internal/cases internal/cli internal/convert/osquery internal/docs internal/render lang modules modules/std plan plan/answer planner value", why: "makes the reference from the tables that the program runs by"},
	{pkg: "internal/faults", why: "a test alone: it strikes processes and looks at their answers"},
	{pkg: "internal/house", why: "reads the source and runs none of it"},
	{pkg: "cmd", down: true, may: ". agent agent/sandbox agent/upgrade internal/cli internal/manpage internal/nocore internal/simulate modules modules/std relay relay/watch signing signing/journal signing/translog transport value", why: "where a program meets the system; under 100 lines"},
	{pkg: "internal/house/systems", why: "as internal/house"},
	{pkg: "docs/examples", down: true, may: ". client signing sqldriver", why: "programs of users, as the pages show them"},
	{pkg: "docs/examples/module", down: true, may: ". agent agent/sandbox client modules modules/hostfs modules/std modules/table signing", why: "a Go module of its own, as a third party has it: what it needs must be public"},
	{pkg: "packaging", down: true, may: "agent signing", why: "a Go module of its own, so that what makes packages is linked into no program"},
	{pkg: "bench", down: true, may: ". agent agent/sandbox bench/internal/fanout bench/internal/measured bench/internal/planted client internal/simulate lang modules modules/std modules/yara plan plan/answer relay signing signing/sealing transport transport/message value", why: "measures from outside, as a user sees it"},
}

// A never is a promise that holds however indirectly a package is imported.
type never struct{ pkg, imports, why string }

var nevers = []never{
	{"engine", "lang", "no parser of queries on an endpoint"},
	{"engine", "planner", "an endpoint runs what was signed and plans nothing itself"},
	{"plan", "modules", "the evaluator is pure: it looks at no host"},
	{"planner", "engine", "planning runs nothing"},
	{"planner", "modules/std", "a query is checked against the catalogue that it is given"},
	{"modules/file", "plan", "a module does not know what a query means"},
	{"modules/host", "plan", "a module does not know what a query means"},
	{"agent/sandbox", "transport", "what looks speaks to nobody"},
	{"agent/sandbox", "signing/journal", "what looks keeps nothing"},
	{"agent", "lang", "no parser of queries on an endpoint"},
	{"agent", "planner", "an endpoint runs what was signed and plans nothing itself"},
	{"agent", "client", "an endpoint asks nobody"},
	{"relay", "engine", "a relay runs nothing"},
	{"relay", "modules", "a relay looks at nothing"},
	{"relay", "plan/answer", "a relay decodes no answer"},
	{"relay", "signing/sealing", "a relay opens nothing"},
	{"repl", "transport", "the prompt works on any session"},
	{"sqldriver", "transport", "who asks only his own machine links no network"},
	{".", "transport", "who asks only his own machine links no network"},
	{".", "signing", "who asks only his own machine links no OpenPGP"},
}

// A reserved package of others, or of the standard library, is for few.
type reserved struct {
	imports string
	only    string // packages; what lies below them may, too
	why     string
}

var reservations = []reserved{
	{"os/exec", "agent/sandbox agent/upgrade bench internal/cli packaging signing", "Quaestor looks itself: an investigator's editor and GnuPG are all that it starts, and an agent starts itself alone"},
	{"plugin", "", "what runs on an endpoint was linked when it was built"},
	{"testing", "modules/moduletest modules/windows/hivetest internal/convert/converttest internal/spec", "tests are not linked into programs"},
	{"net/http", "internal/gateway internal/web relay/watch", "what answers over HTTP stands on the investigator's machine, or tells on a relay's loopback how it is; agents do not speak it, nor do relays to others"},
	{"unsafe", "value agent/sandbox engine internal/search modules/file modules/host modules/native", "where a measured cost or a system call asks for it"},
	{"github.com/alecthomas/participle/v2", "lang", "the parser stays behind lang"},
	{"github.com/c-bata/go-prompt", "repl", "the line editor can be replaced"},
	{"modernc.org/sqlite", "internal/cases", "a case is one file; nothing else keeps its things in a database"},
	{"github.com/alecthomas/kong", "internal/cli internal/manpage cmd", "flags are a command's business"},
}

// graph gives the packages of ours that each package imports.
func graph(t *testing.T, list []*source) map[string][]string {
	g := map[string][]string{}
	for _, dir := range packages(list) {
		g[dir] = nil
	}
	for _, s := range list {
		if s.test {
			continue
		}
		for _, name := range s.imports(t) {
			to, ours := strings.CutPrefix(name, module)
			if !ours || to != "" && to[0] != '/' {
				continue
			}
			if to = strings.TrimPrefix(to, "/"); to == "" {
				to = "."
			}
			if !slices.Contains(g[s.dir], to) {
				g[s.dir] = append(g[s.dir], to)
			}
		}
	}
	return g
}

// floorOf gives the row of a package: its own, or the nearest that counts for
// what lies below.
func floorOf(pkg string) *floor {
	best := -1
	for i, f := range floors {
		if f.pkg == pkg {
			return &floors[i]
		}
		if f.down && strings.HasPrefix(pkg, f.pkg+"/") {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return &floors[best]
}

func TestFloors(t *testing.T) {
	g := graph(t, sources(t))
	for _, pkg := range slices.Sorted(maps.Keys(g)) {
		f := floorOf(pkg)
		if f == nil {
			t.Errorf("%s has no floor: say in the table what it may import, and why", pkg)
			continue
		}
		for _, to := range g[pkg] {
			if !slices.Contains(strings.Fields(f.may), to) {
				t.Errorf("%s -> %s\n\t%s may import: %s\n\tbecause: %s", pkg, to, f.pkg, f.may, f.why)
			}
		}
	}
}

// The table must not speak of packages that are not there.
func TestFloorsNameWhatExists(t *testing.T) {
	dirs := packages(sources(t))
	check := func(name, where string) {
		below := func(dir string) bool { return strings.HasPrefix(dir, name+"/") }
		if !slices.Contains(dirs, name) && !slices.ContainsFunc(dirs, below) {
			t.Errorf("the row of %s names %s, which is not there", where, name)
		}
	}
	for _, f := range floors {
		check(f.pkg, f.pkg)
		for name := range strings.FieldsSeq(f.may) {
			check(name, f.pkg)
		}
		if f.why == "" {
			t.Errorf("the row of %s gives no reason", f.pkg)
		}
	}
	for _, n := range nevers {
		check(n.pkg, n.pkg)
		check(n.imports, n.pkg)
	}
	for _, r := range reservations {
		for name := range strings.FieldsSeq(r.only) {
			check(name, r.imports)
		}
	}
}

func TestNever(t *testing.T) {
	g := graph(t, sources(t))
	for _, n := range nevers {
		if chain := chainTo(g, n.pkg, n.imports); chain != nil {
			t.Errorf("%s\n\tnever: %s", strings.Join(chain, " -> "), n.why)
		}
	}
}

// chainTo gives the shortest way from one package to another, or nil.
func chainTo(g map[string][]string, from, to string) []string {
	cameFrom := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to {
			var chain []string
			for ; at != ""; at = cameFrom[at] {
				chain = append([]string{at}, chain...)
			}
			return chain
		}
		for _, next := range g[at] {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func TestReserved(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, name := range s.imports(t) {
			for _, r := range reservations {
				if r.imports == name && !isBelow(s.dir, r.only) {
					t.Errorf("%s imports %s, which is for %s\n\tbecause: %s", s.path, name, orNobody(r.only), r.why)
				}
			}
		}
	}
}

func isBelow(dir, list string) bool {
	for name := range strings.FieldsSeq(list) {
		if dir == name || strings.HasPrefix(dir, name+"/") {
			return true
		}
	}
	return false
}

func orNobody(list string) string {
	if list == "" {
		return "nobody"
	}
	return fmt.Sprintf("%q alone", list)
}

// The search for a chain is tried on a graph that breaks a rule.
func TestChain(t *testing.T) {
	g := map[string][]string{"cmd": {"a", "b"}, "a": {"c"}, "b": {"c", "b"}, "c": {"d"}}
	if got := strings.Join(chainTo(g, "cmd", "d"), " -> "); got != "cmd -> a -> c -> d" {
		t.Errorf("the chain is %q", got)
	}
	if got := chainTo(g, "c", "a"); got != nil {
		t.Errorf("there is no way from c to a, and %v was found", got)
	}
}

var update = flag.Bool("update", false, "rewrite docs/floors.md and the tables of other pages")

// The tables of docs/floors.md are these.
func TestFloorsAreToldToContributors(t *testing.T) {
	name := filepath.Join(root, "docs", "floors.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "-update -->\n", "<!-- end of floors -->"
	head, rest, found := strings.Cut(string(text), from)
	_, tail, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatal("docs/floors.md has no place for the floors")
	}
	var b strings.Builder
	b.WriteString("\n| package | may import | because |\n|---|---|---|\n")
	for _, f := range floors {
		pkg := "`" + f.pkg + "`"
		if f.down {
			pkg += " and below"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", pkg, f.may, f.why)
	}
	b.WriteString("\nNever, however indirectly:\n\n")
	for _, n := range nevers {
		fmt.Fprintf(&b, "- `%s` → `%s`: %s\n", n.pkg, n.imports, n.why)
	}
	b.WriteString("\nFor few alone:\n\n")
	for _, r := range reservations {
		only := "nobody"
		if r.only != "" {
			only = "`" + strings.ReplaceAll(r.only, " ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "- `%s`, for %s: %s\n", r.imports, only, r.why)
	}
	b.WriteString("\n")
	want := head + from + b.String() + to + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/floors.md is stale: go test ./internal/house -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
