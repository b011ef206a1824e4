package meter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxPage bounds a page that is read, in bytes: a relay's has twenty thousand.
const MaxPage = 4 << 20

// ErrPage says that a text is no page of numbers.
var ErrPage = errors.New("meter: not the text format of Prometheus")

// A Scrape is a page that was read.
type Scrape struct {
	Families []Family // in their order
}

// A Family is samples of one name.
type Family struct {
	Name, Type, Help string
	Samples          []Sample
}

// A Sample is one number.
type Sample struct {
	Name   string // the family's, with _bucket, _sum or _count behind it in a histogram
	Labels []Label
	Value  float64
}

// A Label is a name with a value.
type Label struct{ Name, Value string }

// Label gives the value of a label; "" is none.
func (s *Sample) Label(name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Find gives a family; nil is that there is none.
func (s *Scrape) Find(name string) *Family {
	for i := range s.Families {
		if s.Families[i].Name == name {
			return &s.Families[i]
		}
	}
	return nil
}

// Value gives the sample of a name with exactly these labels, names and values
// by turns, and whether there is one.
func (s *Scrape) Value(name string, labels ...string) (float64, bool) {
	family := s.Find(name)
	for _, end := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, end); ok && family == nil {
			family = s.Find(base)
		}
	}
	if family == nil {
		return 0, false
	}
	for _, x := range family.Samples {
		if x.Name != name || len(x.Labels) != len(labels)/2 {
			continue
		}
		same := true
		for i := 0; i+1 < len(labels); i += 2 {
			same = same && x.Label(labels[i]) == labels[i+1]
		}
		if same {
			return x.Value, true
		}
	}
	return 0, false
}

// Parse reads a page, and is strict: each family begins with its help and its
// type, no name comes twice, no sample twice, a histogram's buckets rise. An
// error wraps ErrPage and names the line.
func Parse(text []byte) (*Scrape, error) {
	if len(text) > MaxPage {
		return nil, fmt.Errorf("%w: %d bytes, and at most %d are read", ErrPage, len(text), MaxPage)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("%w: the last line has no end", ErrPage)
	}
	r := reader{names: map[string]bool{}, seen: map[string]bool{}}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if err := r.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrPage, n, err)
		}
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrPage, n, err)
	}
	return &r.out, nil
}

// A reader takes the lines of a page.
type reader struct {
	out   Scrape
	names map[string]bool // of families
	seen  map[string]bool // samples of the family that is read
	help  *Family         // whose help was said, and its type not yet
}

func (r *reader) line(line string) error {
	if text, ok := strings.CutPrefix(line, "# HELP "); ok {
		if err := r.end(); err != nil {
			return err
		}
		name, help, ok := strings.Cut(text, " ")
		if !ok || !isName(name, true) {
			return fmt.Errorf("%q is no help of a family", text)
		}
		if r.names[name] {
			return fmt.Errorf("family %s comes twice", name)
		}
		r.names[name] = true
		r.help = &Family{Name: name, Help: strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(help)}
		return nil
	}
	if text, ok := strings.CutPrefix(line, "# TYPE "); ok {
		name, kind, _ := strings.Cut(text, " ")
		if r.help == nil || r.help.Name != name {
			return fmt.Errorf("the type of %q without its help in the line before", name)
		}
		if !slices.Contains([]string{TypeCounter, TypeGauge, TypeHistogram}, kind) {
			return fmt.Errorf("%q is no type", kind)
		}
		r.help.Type = kind
		r.out.Families = append(r.out.Families, *r.help)
		r.help, r.seen = nil, map[string]bool{}
		return nil
	}
	if r.help != nil || len(r.out.Families) == 0 {
		return errors.New("a sample before the type of its family")
	}
	s, err := parseSample(line)
	if err != nil {
		return err
	}
	return r.take(s)
}

// take adds a sample to the family that is read.
func (r *reader) take(s Sample) error {
	f := &r.out.Families[len(r.out.Families)-1]
	end := strings.TrimPrefix(s.Name, f.Name)
	switch {
	case f.Type == TypeHistogram && slices.Contains([]string{"_bucket", "_sum", "_count"}, end) && strings.HasPrefix(s.Name, f.Name):
		if (end == "_bucket") != (s.Label("le") != "") {
			return fmt.Errorf("%s: a bucket, and nothing else, has a label le", s.Name)
		}
	case f.Type == TypeHistogram || s.Name != f.Name:
		return fmt.Errorf("sample %s in family %s, a %s", s.Name, f.Name, f.Type)
	}
	if f.Type != TypeGauge && !(s.Value >= 0) {
		return fmt.Errorf("%s: a count of %v", s.Name, s.Value)
	}
	key := s.Name + keyOf(s.Labels)
	if r.seen[key] {
		return fmt.Errorf("%s comes twice with the same labels", s.Name)
	}
	r.seen[key] = true
	f.Samples = append(f.Samples, s)
	return nil
}

// keyOf writes labels in one way, whatever their order.
func keyOf(labels []Label) string {
	var all []string
	for _, l := range labels {
		all = append(all, l.Name+"="+strconv.Quote(l.Value))
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}"
}

// end checks the family that was read.
func (r *reader) end() error {
	if r.help != nil {
		return fmt.Errorf("family %s has no type", r.help.Name)
	}
	if len(r.out.Families) == 0 {
		return nil
	}
	f := &r.out.Families[len(r.out.Families)-1]
	if f.Type != TypeHistogram {
		return nil
	}
	return f.checkBuckets()
}

// A series is the buckets of one histogram of a family, in their order.
type series struct {
	bound, last float64
	sum, count  bool
	total       float64
}

// checkBuckets holds a family of histograms to what they are.
func (f *Family) checkBuckets() error {
	all := map[string]*series{}
	for _, s := range f.Samples {
		rest := slices.DeleteFunc(slices.Clone(s.Labels), func(l Label) bool { return l.Name == "le" })
		x := all[keyOf(rest)]
		if x == nil {
			x = &series{bound: math.Inf(-1)}
			all[keyOf(rest)] = x
		}
		switch {
		case strings.HasSuffix(s.Name, "_sum"):
			x.sum = true
		case strings.HasSuffix(s.Name, "_count"):
			x.count, x.total = true, s.Value
		default:
			bound, err := strconv.ParseFloat(s.Label("le"), 64)
			if err != nil || !(bound > x.bound) || s.Value < x.last {
				return fmt.Errorf("%s: buckets that do not rise at le=%q", f.Name, s.Label("le"))
			}
			x.bound, x.last = bound, s.Value
		}
	}
	for _, x := range all {
		if !x.sum || !x.count || !math.IsInf(x.bound, 1) || x.total != x.last {
			return fmt.Errorf("%s: a histogram has a sum, a count, and a last bucket +Inf as high as that", f.Name)
		}
	}
	return nil
}

// parseSample reads a line such as a{b="c"} 1.
func parseSample(line string) (s Sample, err error) {
	i := strings.IndexAny(line, "{ ")
	if i < 0 || !isName(line[:i], true) {
		return s, fmt.Errorf("%.80q is no sample", line)
	}
	s.Name, line = line[:i], line[i:]
	if line[0] == '{' {
		if s.Labels, line, err = parseLabels(line[1:]); err != nil {
			return s, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	text, ok := strings.CutPrefix(line, " ")
	if !ok || strings.ContainsAny(text, " _xXpP") {
		return s, fmt.Errorf("%s: %.80q is no value", s.Name, line)
	}
	if s.Value, err = strconv.ParseFloat(text, 64); err != nil {
		return s, fmt.Errorf("%s: %.80q is no value", s.Name, text)
	}
	return s, nil
}

// parseLabels reads b="c",d="e"} and gives what follows.
func parseLabels(line string) (labels []Label, rest string, err error) {
	for {
		name, after, ok := strings.Cut(line, `="`)
		if !ok || !isName(name, false) {
			return nil, "", fmt.Errorf("%.80q is no label", line)
		}
		if slices.ContainsFunc(labels, func(l Label) bool { return l.Name == name }) {
			return nil, "", fmt.Errorf("label %s comes twice", name)
		}
		value, after, err := parseValue(after)
		if err != nil {
			return nil, "", err
		}
		labels = append(labels, Label{name, value})
		switch {
		case strings.HasPrefix(after, "}"):
			return labels, after[1:], nil
		case strings.HasPrefix(after, ","):
			line = after[1:]
		default:
			return nil, "", fmt.Errorf("%.80q follows a label", after)
		}
	}
}

// parseValue reads the value of a label up to its closing quote.
func parseValue(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			i++
			at := -1
			if i < len(s) {
				at = strings.IndexByte(`\"n`, s[i])
			}
			if at < 0 {
				return "", "", errors.New("a backslash before something else than a backslash, a quote and n")
			}
			b.WriteByte("\\\"\n"[at])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("a label's value without its end")
}

// isName says whether a text may name a family, or else a label.
func isName(s string, family bool) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || family && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
