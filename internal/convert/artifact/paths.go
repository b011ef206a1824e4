package artifact

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// A builder makes the queries of one source.
type builder struct {
	*convert.Rule
	from    string
	line    int
	returns string
	more    []string // conditions beside the place
	places  []string // globs without variables
	exact   []string // paths without signs, of which nothing below is meant
	homes   []string // what follows a user's home, as globs
}

// environ is what the variables of Windows are on nearly every machine. Who
// installed it elsewhere is missed, and so a rule says that it took them so.
var environ = map[string]string{
	"environ_systemroot": `C:\Windows`, "environ_windir": `C:\Windows`, "environ_systemdrive": `C:`,
	"environ_programfiles": `C:\Program Files`, "environ_programfilesx86": `C:\Program Files (x86)`,
	"environ_allusersappdata": `C:\ProgramData`, "environ_allusersprofile": `C:\ProgramData`,
	"environ_programdata": `C:\ProgramData`, "environ_profilesdirectory": `C:\Users`,
	"environ_temp": `C:\Windows\Temp`, "environ_comspec": `C:\Windows\System32\cmd.exe`,
	"environ_commonprogramfiles": `C:\Program Files\Common Files`, "environ_commonprogramfilesx86": `C:\Program Files (x86)\Common Files`,
	"environ_driverdata": `C:\Windows\System32\Drivers\DriverData`,
}

// profile is what the variables of users are, below the home of each.
var profile = map[string]string{
	"users.homedir": "", "users.userprofile": "", "users.home": "",
	"users.appdata": `\AppData\Roaming`, "users.localappdata": `\AppData\Local`, "users.localappdata_low": `\AppData\LocalLow`,
	"users.temp": `\AppData\Local\Temp`, "users.desktop": `\Desktop`, "users.personal": `\Documents`,
	"users.startup":        `\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup`,
	"users.recent":         `\AppData\Roaming\Microsoft\Windows\Recent`,
	"users.internet_cache": `\AppData\Local\Microsoft\Windows\INetCache`, "users.cookies": `\AppData\Local\Microsoft\Windows\INetCookies`,
}

var (
	variable = regexp.MustCompile(`%%([a-zA-Z0-9_.]+)%%`)
	globstar = regexp.MustCompile(`\*\*([0-9]{1,2})`)
)

// maxLevels is how many levels of **N are written out. GRR and others stop at
// ten.
const maxLevels = 10

// files adds the places of paths. Cond, if any, holds of all that is found.
func (b *builder) files(paths *document.Node, cond string) {
	b.returns = "path, type, size, mtime"
	if cond != "" {
		b.more = append(b.more, cond)
		b.returns += ", sha256"
	}
	for _, n := range paths.Items() {
		text, home, ok := b.expand(n)
		if !ok {
			continue
		}
		for _, p := range levels(text) {
			switch {
			case home && strings.ContainsAny(p, ",{}"):
				b.Lose(n.Line(), "a path below a home with a comma or a bracket is not carried over: %s", n.Text())
			case home:
				b.homes = append(b.homes, p)
			case strings.ContainsAny(p, "*?[{") || cond != "":
				b.places = append(b.places, locator(p))
			default:
				b.exact = append(b.exact, convert.Quote(p))
			}
		}
	}
}

// expand puts in what the variables of a path are. Home says that it begins
// with the home of a user, which is left out of the text.
func (b *builder) expand(n *document.Node) (text string, home, ok bool) {
	text = n.Text()
	for _, m := range variable.FindAllStringSubmatchIndex(text, -1) {
		name := strings.ToLower(text[m[2]:m[3]])
		suffix, isProfile := profile[name]
		if isProfile && m[0] == 0 {
			rest := variable.ReplaceAllStringFunc(text[m[1]:], b.environment)
			if variable.MatchString(rest) {
				break
			}
			if strings.Contains(suffix+rest, `\`) {
				return strings.ReplaceAll(suffix+rest, `/`, `\`), true, true
			}
			return suffix + rest, true, true
		}
	}
	text = variable.ReplaceAllStringFunc(text, b.environment)
	if left := variable.FindString(text); left != "" {
		b.Lose(n.Line(), "the variable %s is not known here: %s", left, n.Text())
		return "", false, false
	}
	return text, false, true
}

func (b *builder) environment(v string) string {
	known, ok := environ[strings.ToLower(strings.Trim(v, "%"))]
	if !ok {
		return v
	}
	b.Note(b.line, "%s is taken to be %s", v, known)
	return known
}

// levels writes out **N, which the language has not, as so many patterns, and
// gives other patterns as they are.
func levels(p string) []string {
	m := globstar.FindStringSubmatchIndex(p)
	if m == nil {
		return []string{p}
	}
	n, _ := strconv.Atoi(p[m[2]:m[3]])
	sep := "/"
	if strings.Contains(p, `\`) {
		sep = `\`
	}
	var out []string
	for i := 1; i <= min(max(n, 1), maxLevels); i++ {
		stars := strings.TrimSuffix(strings.Repeat("*"+sep, i), sep)
		out = append(out, levels(p[:m[0]]+stars+p[m[1]:])...)
	}
	return out
}

// locator writes a glob as the language takes it, in quotes where it must.
func locator(p string) string {
	if strings.HasPrefix(p, "/") && !strings.ContainsAny(p, " \t\"'();\\") && !strings.Contains(p, "--") && (!strings.Contains(p, ",") || strings.Contains(p, "{")) {
		return p
	}
	return convert.Quote(p)
}

// keys adds registry keys, whose values all are asked for.
func (b *builder) keys(list *document.Node) {
	b.returns = "key, name, value, modified"
	for _, n := range list.Items() {
		if k, ok := b.key(n); ok {
			b.places = append(b.places, convert.Quote(k))
		}
	}
}

// values adds single values of keys.
func (b *builder) values(pairs *document.Node) {
	for _, p := range pairs.Items() {
		k, ok := b.key(p.Get("key"))
		if !ok {
			continue
		}
		q := b.from + "\nFIND registry " + convert.Quote(k)
		if v := p.Get("value").Text(); v != "" {
			q += " WHERE name GLOB " + convert.Quote(v) + " NOCASE"
		}
		b.Queries = append(b.Queries, q+" RETURN key, name, value, modified")
	}
}

// hives are the words for the roots of the registry, and their short forms.
var hives = strings.NewReplacer("HKEY_LOCAL_MACHINE", "HKLM", "HKEY_USERS", "HKU", "HKEY_CURRENT_USER", "HKCU", "HKEY_CLASSES_ROOT", "HKCR",
	"%%current_control_set%%", `HKLM\System\CurrentControlSet`)

// key gives a registry key as a glob: the SID of a user may be any.
func (b *builder) key(n *document.Node) (string, bool) {
	k := hives.Replace(strings.ReplaceAll(n.Text(), "%%users.sid%%", "*"))
	if left := variable.FindString(k); left != "" {
		b.Lose(n.Line(), "the variable %s is not known here: %s", left, n.Text())
		return "", false
	}
	return k, true
}

// done writes the queries: one of all places, one of exact paths, one of what
// lies below the homes of users.
func (b *builder) done() {
	module := "file"
	if strings.HasPrefix(b.returns, "key") {
		module = "registry"
	}
	where := func(conds ...string) string {
		conds = slices.DeleteFunc(append(conds, b.more...), func(c string) bool { return c == "" })
		if len(conds) == 0 {
			return ""
		}
		return " WHERE " + strings.Join(conds, " AND ")
	}
	if len(b.places) > 0 {
		b.Queries = append(b.Queries, b.from+"\nFIND "+module+" "+strings.Join(b.places, ", ")+where()+" RETURN "+b.returns)
	}
	if len(b.exact) > 0 {
		b.Queries = append(b.Queries, b.from+"\nFIND file"+where("path IN ("+strings.Join(b.exact, ", ")+")")+" RETURN "+b.returns)
	}
	if len(b.homes) > 0 {
		b.below(where)
	}
}

// below writes the query of what lies in homes. A home of / is nobody's.
func (b *builder) below(where func(...string) string) {
	globs := b.homes[0]
	if len(b.homes) > 1 {
		globs = "{" + strings.Join(b.homes, ",") + "}"
	}
	q := b.from + "\nFIND user u, file f" +
		where(`u.home != "/"`, fmt.Sprintf("f.path GLOB concat(escape_glob(u.home), %s)", convert.Quote(globs)))
	q = strings.ReplaceAll(q, " type IN", " f.type IN")
	var columns []string
	for c := range strings.SplitSeq(b.returns, ", ") {
		columns = append(columns, "f."+c)
	}
	b.Queries = append(b.Queries, q+" RETURN u.name, "+strings.Join(columns, ", "))
}
