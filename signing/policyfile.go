package signing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// Bounds of a policy's text.
const (
	MaxPolicy     = 4 << 20 // bytes: a thousand keys
	MaxPrincipals = 1000    // of a role
	MaxWeight     = 1000    // of a signer, and of a rule
	MaxRevoked    = 50_000  // agents, and tokens
	// MaxWindow is the longest window that a policy can allow: a plan that is
	// good for longer is a standing permission.
	MaxWindow = 90 * 24 * time.Hour
	// The TOML library goes down with each open bracket, and each dot of a key
	// costs it as much as all before: a policy needs one or two of either.
	maxBrackets = 64
	maxLineDots = 512    // of a line: a list of globs on one line has some
	maxDots     = 20_000 // of the text
)

// policyFile is the text as TOML has it.
type policyFile struct {
	Format        int                 `toml:"format"`
	Fleet         string              `toml:"fleet"`
	Name          string              `toml:"name"`
	Version       int64               `toml:"version"`
	Threshold     int                 `toml:"threshold"`
	Upgrade       string              `toml:"upgrade"`
	Administrator []principalFile     `toml:"administrator"`
	Investigator  []principalFile     `toml:"investigator"`
	Default       *ruleFile           `toml:"default"`
	Module        map[string]ruleFile `toml:"module"`
	Ceilings      ceilingsFile        `toml:"ceilings"`
	Log           *logFile            `toml:"log"`
	Revoked       struct {
		Agents []string `toml:"agents"`
		Tokens []string `toml:"tokens"`
		Wipe   []string `toml:"wipe"`
	} `toml:"revoked"`
}

type principalFile struct {
	Name    string `toml:"name"`
	Weight  *int   `toml:"weight"`
	Key     string `toml:"key"`
	Retired moment `toml:"retired"`
}

// A moment is a time of TOML, or one in a text. The library takes one that names
// no zone for one of this machine's, and a policy would say as many things as
// there are zones: here it is UTC.
type moment time.Time

// UnmarshalTOML implements toml.Unmarshaler.
func (m *moment) UnmarshalTOML(v any) error {
	t, ok := v.(time.Time)
	if text, isText := v.(string); isText {
		var err error
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return err
		}
	} else if !ok {
		return fmt.Errorf("%v is no time: write 2030-01-01T00:00:00Z", v)
	}
	if strings.HasSuffix(t.Location().String(), "-local") { // date-local, datetime-local, as the library calls them
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	*m = moment(t)
	return nil
}

type ruleFile struct {
	Weight        int      `toml:"weight"`
	Content       []string `toml:"content"`
	ContentWeight int      `toml:"content_weight"`
	Allow         []string `toml:"allow"`
	Deny          []string `toml:"deny"`
	FollowLinks   bool     `toml:"follow_links"`
	Standing      string   `toml:"standing"`
	Watch         bool     `toml:"watch"`
}

type ceilingsFile struct {
	Timeout    string `toml:"timeout"`
	Window     string `toml:"window"`
	Rows       int64  `toml:"rows"`
	Bytes      string `toml:"bytes"`
	Memory     string `toml:"memory"`
	Workers    int64  `toml:"workers"`
	CPU        int64  `toml:"cpu"`
	Read       string `toml:"read"`
	OpenFiles  int64  `toml:"open_files"`
	IO         string `toml:"io"`
	OnBattery  string `toml:"on_battery"`
	Concurrent int64  `toml:"concurrent"`
}

type logFile struct {
	Required  bool     `toml:"required"`
	Key       string   `toml:"key"`
	Witnesses []string `toml:"witnesses"`
	Threshold *int     `toml:"threshold"`
}

// ParsePolicy reads the text of a policy: TOML, as NewPolicyText makes it. Keys
// that are not known are refused: a misspelt one would otherwise allow what was
// to be denied. The error wraps ErrMalformed and says what to write instead.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicy {
		return nil, fmt.Errorf("%w: a policy of %d bytes is more than %d", ErrMalformed, len(text), MaxPolicy)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: a policy is text in UTF-8", ErrMalformed)
	}
	if tooDeep(text) {
		return nil, fmt.Errorf("%w: more than %d brackets open at once, or %d dots on a line, or %d in all: write lists over several lines",
			ErrMalformed, maxBrackets, maxLineDots, maxDots)
	}
	var f policyFile
	var m toml.MetaData
	err := guard(func() (err error) {
		m, err = toml.Decode(string(text), &f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if rest := m.Undecoded(); len(rest) > 0 {
		return nil, fmt.Errorf("%w: %.200q is not known in a policy: is it misspelt, or in a wrong place?", ErrMalformed, rest[0].String())
	}
	// The library takes WEIGHT for weight, and one text would say two things.
	for _, k := range m.Keys() {
		if name := k.String(); name != strings.ToLower(name) {
			return nil, fmt.Errorf("%w: %.200q: keys are in lower case", ErrMalformed, name)
		}
	}
	p, err := f.policy()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p.text = bytes.Clone(text)
	return p, nil
}

// tooDeep says whether the text could cost the TOML library more than its size.
// Brackets and dots in strings count, too: that is coarse, and enough.
func tooDeep(text []byte) bool {
	depth, line, dots := 0, 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '\n':
			line = 0
		case '.':
			line++
			dots++
		}
		if depth > maxBrackets || line > maxLineDots || dots > maxDots {
			return true
		}
	}
	return false
}

func (f *policyFile) policy() (*Policy, error) {
	p := &Policy{version: f.Version, name: f.Name, threshold: f.Threshold, upgrade: cmp.Or(f.Upgrade, UpgradeNever), rules: map[string]Rule{}, tokens: map[[sha256.Size]byte]error{}}
	var err error
	switch {
	case f.Format != Version:
		return nil, fmt.Errorf("format = %d, where %d is known", f.Format, Version)
	case f.Version < 1 || f.Version > math.MaxInt64/2:
		return nil, fmt.Errorf("version = %d: versions begin with 1", f.Version)
	case !isLine(f.Name, 256):
		return nil, errors.New("name: more than one line of 256 bytes")
	case p.upgrade != UpgradeNever && p.upgrade != UpgradeSigned:
		return nil, fmt.Errorf("upgrade = %.40q: %q or %q", p.upgrade, UpgradeSigned, UpgradeNever)
	}
	if p.fleet, err = ParseID(f.Fleet); err != nil || p.fleet.IsZero() {
		return nil, fmt.Errorf("fleet = %.40q: 32 hex digits, not all of them 0", f.Fleet)
	}
	if p.administrators, err = principals("administrator", f.Administrator); err != nil {
		return nil, err
	}
	if p.investigators, err = principals("investigator", f.Investigator); err != nil {
		return nil, err
	}
	serving := 0
	for _, a := range p.administrators {
		if a.Retired.IsZero() {
			serving++
		}
	}
	if f.Threshold < 1 || f.Threshold > serving {
		return nil, fmt.Errorf("threshold = %d: at least 1, and at most the number of [[administrator]] who are not retired, %d", f.Threshold, serving)
	}
	if err := f.fillRules(p); err != nil {
		return nil, err
	}
	if p.ceilings, err = f.Ceilings.ceilings(); err != nil {
		return nil, fmt.Errorf("[ceilings]: %w", err)
	}
	if p.revokedAgents, err = ids("agents", f.Revoked.Agents); err != nil {
		return nil, err
	}
	if p.revokedTokens, err = ids("tokens", f.Revoked.Tokens); err != nil {
		return nil, err
	}
	if p.wiped, err = wipes(f.Revoked.Wipe, p.revokedAgents); err != nil {
		return nil, err
	}
	p.log, err = f.Log.rule()
	return p, err
}

// rule reads the rule about the log; a fleet without one has none.
func (f *logFile) rule() (*LogRule, error) {
	if f == nil {
		return nil, nil
	}
	threshold := len(f.Witnesses) // all, where nothing is said
	if f.Threshold != nil {
		threshold = *f.Threshold
	}
	keys, err := translog.ParseKeys(f.Key, f.Witnesses, threshold)
	if err != nil {
		return nil, fmt.Errorf("[log]: %w", err)
	}
	return &LogRule{Required: f.Required, Keys: keys}, nil
}

// principals reads the people of a role. Two who share a key, or a part of one,
// or a key dressed up as two, would be counted twice.
func principals(role string, list []principalFile) ([]Principal, error) {
	if len(list) == 0 || len(list) > MaxPrincipals {
		return nil, fmt.Errorf("[[%s]]: there are %d, where 1 to %d are allowed", role, len(list), MaxPrincipals)
	}
	var out []Principal
	owner := map[string]string{}
	for i, f := range list {
		where := fmt.Sprintf("[[%s]] number %d (%.40q)", role, i+1, f.Name)
		if f.Name == "" || !isLine(f.Name, 256) {
			return nil, fmt.Errorf("%s: name: one line of at most 256 bytes", where)
		}
		k, err := ReadPublicKey([]byte(f.Key))
		if err != nil {
			return nil, fmt.Errorf("%s: key: %w", where, err)
		}
		for _, c := range k.parts {
			if other, taken := owner[c.material]; taken && c.material != "" {
				return nil, fmt.Errorf("%s: key %s, or a part of it, is that of %q, too: he would be counted twice", where, k.Fingerprint(), other)
			}
		}
		for _, c := range k.parts {
			owner[c.material] = f.Name
		}
		q := Principal{Name: f.Name, Key: k, Weight: 1, Retired: time.Time(f.Retired)}
		if f.Weight != nil {
			q.Weight = *f.Weight
		}
		switch {
		case q.Weight < 1 || q.Weight > MaxWeight:
			return nil, fmt.Errorf("%s: weight = %d: 1 to %d", where, q.Weight, MaxWeight)
		case role == "administrator" && f.Weight != nil:
			return nil, fmt.Errorf("%s: administrators have no weight: threshold counts them", where)
		case role == "investigator" && !q.Retired.IsZero():
			return nil, fmt.Errorf("%s: investigators are not retired: leave out who may not ask any more", where)
		}
		out = append(out, q)
	}
	return out, nil
}

func (f *policyFile) fillRules(p *Policy) error {
	p.fallback = Rule{Weight: 1, ContentWeight: 1}
	if d := f.Default; d != nil {
		if len(d.Content) > 0 || d.ContentWeight != 0 {
			return errors.New("[default]: content is allowed for a module by name, in [module.NAME], and for no other")
		}
		r, err := d.rule("")
		if err != nil {
			return fmt.Errorf("[default]: %w", err)
		}
		p.fallback = r
	}
	for name, m := range f.Module {
		if !isName(name) {
			return fmt.Errorf("[module.%.40s]: this names no module", name)
		}
		r, err := m.rule(name)
		if err != nil {
			return fmt.Errorf("[module.%s]: %w", name, err)
		}
		p.rules[name] = r
	}
	return nil
}

func (f *ruleFile) rule(module string) (Rule, error) {
	r := Rule{Module: module, Weight: f.Weight, Content: f.Content, ContentWeight: f.ContentWeight, Allow: f.Allow, Deny: f.Deny, FollowLinks: f.FollowLinks, Watch: f.Watch}
	if r.Weight < 1 || r.Weight > MaxWeight {
		return r, fmt.Errorf("weight = %d: 1 to %d must be given", r.Weight, MaxWeight)
	}
	if f.Standing != "" {
		var err error
		if r.Standing, err = duration("standing", f.Standing, 0); err != nil {
			return r, err
		}
	}
	if r.ContentWeight == 0 {
		r.ContentWeight = r.Weight
	}
	if r.ContentWeight < r.Weight || r.ContentWeight > MaxWeight {
		return r, fmt.Errorf("content_weight = %d: not below weight, and at most %d", r.ContentWeight, MaxWeight)
	}
	for _, c := range r.Content {
		if !isName(c) {
			return r, fmt.Errorf("content: %.40q is the name of no column: write it without the module", c)
		}
	}
	for _, list := range [][]string{r.Allow, r.Deny} {
		if len(list) > maxGlobs {
			return r, fmt.Errorf("%d globs, more than %d", len(list), maxGlobs)
		}
		for _, g := range list {
			if err := checkGlob(g); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// ceilings reads the ceilings; those that are not given are modest.
func (f *ceilingsFile) ceilings() (c Ceilings, err error) {
	if c.Timeout, err = duration("timeout", f.Timeout, 10*time.Minute); err != nil {
		return c, err
	}
	if c.Window, err = duration("window", f.Window, 7*24*time.Hour); err != nil {
		return c, err
	}
	if c.Window > MaxWindow {
		return c, fmt.Errorf("window = %q: at most %s", f.Window, MaxWindow)
	}
	if c.Bytes, err = size("bytes", f.Bytes, 1<<30); err != nil {
		return c, err
	}
	if c.Memory, err = size("memory", f.Memory, 256<<20); err != nil {
		return c, err
	}
	if f.Read != "" {
		if c.Read, err = size("read", f.Read, 0); err != nil {
			return c, err
		}
	}
	if c.IO = int64(slices.Index(IOClasses(), cmp.Or(f.IO, IOClasses()[0]))) + 1; c.IO == 0 {
		return c, fmt.Errorf("io = %.40q: one of %s", f.IO, strings.Join(IOClasses(), ", "))
	}
	if c.Mains = f.OnBattery == "wait"; !c.Mains && f.OnBattery != "" && f.OnBattery != "run" {
		return c, fmt.Errorf("on_battery = %.40q: wait or run", f.OnBattery)
	}
	if c.OpenFiles = f.OpenFiles; c.OpenFiles < 0 {
		return c, fmt.Errorf("open_files = %d: at least 1, or 0 for as many as agents let a plan have", c.OpenFiles)
	}
	if c.CPU = f.CPU; c.CPU < 0 {
		return c, fmt.Errorf("cpu = %d: at least 1, or 0 for no bound", c.CPU)
	}
	for _, n := range []struct {
		name     string
		to       *int64
		set, def int64
	}{
		{"rows", &c.Rows, f.Rows, 1_000_000},
		{"workers", &c.Workers, f.Workers, 4},
		{"concurrent", &c.Concurrent, f.Concurrent, 4},
	} {
		if n.set < 0 {
			return c, fmt.Errorf("%s = %d: at least 1", n.name, n.set)
		}
		*n.to = n.set
		if n.set == 0 {
			*n.to = n.def
		}
	}
	return c, nil
}

func duration(name, s string, def time.Duration) (time.Duration, error) {
	if s == "" {
		return def, nil
	}
	t, unit := s, time.Duration(1)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		t, unit = days+"h", 24
	}
	d, err := time.ParseDuration(t)
	if err != nil || d <= 0 || d > 10*365*24*time.Hour/unit {
		return 0, fmt.Errorf("%s = %.40q: a length of time, as in \"10m\", \"36h\" or \"7d\"", name, s)
	}
	return d * unit, nil
}

func size(name, s string, def int64) (int64, error) {
	if s == "" {
		return def, nil
	}
	number, unit, _ := strings.Cut(s, " ")
	shift, ok := map[string]int{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[unit]
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || n <= 0 || n > 1<<20 && shift > 0 {
		return 0, fmt.Errorf("%s = %.40q: a size, as in \"512 KiB\", \"256 MiB\" or \"1 GiB\"", name, s)
	}
	return n << shift, nil
}

func ids(name string, list []string) ([]ID, error) {
	if len(list) > MaxRevoked {
		return nil, fmt.Errorf("[revoked] %s: %d, more than %d", name, len(list), MaxRevoked)
	}
	var out []ID
	for _, s := range list {
		id, err := ParseID(s)
		if err != nil {
			return nil, fmt.Errorf("[revoked] %s: %.40q is no ID of 32 hex digits", name, s)
		}
		out = append(out, id)
	}
	return out, nil
}

// wipes reads who of the revoked agents removes his keys.
func wipes(list []string, revoked []ID) ([]ID, error) {
	out, err := ids("wipe", list)
	known := map[ID]bool{}
	for _, id := range revoked {
		known[id] = true
	}
	for _, id := range out {
		if !known[id] {
			return nil, fmt.Errorf("[revoked] wipe: %s is not among agents: only those that are revoked lose their keys", id)
		}
	}
	return out, err
}
