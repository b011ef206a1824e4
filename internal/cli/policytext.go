package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// A policy is a text that people wrote, with their comments in their places:
// commands change the lines that they mean, and nothing else.

// draftFlag names the text that a command changes.
type draftFlag struct {
	File string `default:"policy.toml" placeholder:"FILE" help:"The text to change (default: ${default}). Where it is not there, or in force already, it is begun from the policy in force."`
}

// draft gives the text of the next policy: what somebody is at work on, or the
// one in force with the next version. Without one in force it is the file.
func (d draftFlag) draft(a *app) (*signing.Policy, error) {
	there, err := readPolicy(d.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p, forceErr := a.policyInForce("")
	switch {
	case forceErr != nil && there.policy == nil:
		return nil, fmt.Errorf("there is no %s, and %w", d.File, forceErr)
	case there.envelope != nil:
		return nil, fmt.Errorf("%s is signed, and what was signed is not changed\nhint: --file names a text", d.File)
	case forceErr != nil:
		return there.policy, nil
	case there.policy != nil && there.policy.Fleet() != p.Fleet():
		return nil, fmt.Errorf("%s is no text of this fleet's policy\nhint: --file names another", d.File)
	case there.policy != nil && there.policy.Version() > p.Version():
		return there.policy, nil // somebody is at work on the next one
	}
	text, err := nextVersion(p)
	if err != nil {
		return nil, err
	}
	return signing.ParsePolicy(text)
}

// write keeps a changed text, and says what follows.
func (d draftFlag) write(a *app, p *signing.Policy, what string) error {
	if err := wholefile.Keep(d.File, 0o644, p.Text()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Err, "%s: %s, in version %d; it counts once quaestor policy sign %s and quaestor policy publish are done\n",
		d.File, value.EscapeText(what), p.Version(), d.File)
	return err
}

// A span is part of a text, in bytes.
type span struct{ start, end int }

// tables finds the tables of an array, [[name]], in a policy's text, in order:
// each from its header to its last line that says something.
func tables(text []byte, name string) []span {
	var out []span
	open, in := -1, ""
	last := 0 // the end of the latest line that is neither blank nor a comment
	closeAt := func() {
		if open >= 0 {
			out = append(out, span{open, last})
		}
		open = -1
	}
	for at := 0; at < len(text); {
		end := at + bytes.IndexByte(text[at:], '\n') + 1
		if end == at {
			end = len(text)
		}
		line := strings.TrimSpace(string(text[at:end]))
		header := in == "" && strings.HasPrefix(line, "[")
		if header {
			closeAt()
			if strings.HasPrefix(line, "[["+name+"]]") {
				open = at
			}
		}
		if in != "" || line != "" && !strings.HasPrefix(line, "#") {
			last = end
		}
		in = quoteAfter(line, in)
		at = end
	}
	closeAt()
	return out
}

// quoteAfter says which string over several lines is open after a line, where
// in was before it.
func quoteAfter(line, in string) string {
	if in == "" && strings.HasPrefix(line, "#") {
		return ""
	}
	for {
		if in != "" {
			_, rest, closed := strings.Cut(line, in)
			if !closed {
				return in
			}
			line, in = rest, ""
		}
		i := strings.IndexFunc(line, func(r rune) bool { return r == '\'' || r == '"' })
		if i < 0 {
			return ""
		}
		quote := line[i : i+1]
		if strings.HasPrefix(line[i:], strings.Repeat(quote, 3)) {
			in, line = line[i:i+3], line[i+3:]
			continue
		}
		_, rest, _ := strings.Cut(line[i+1:], quote)
		line = rest
	}
}

// A role is one that policies give to people.
type role string

const (
	investigator  role = "investigator"
	administrator role = "administrator"
)

func (r role) of(p *signing.Policy) []signing.Principal {
	if r == administrator {
		return p.Administrators()
	}
	return p.Investigators()
}

// who finds the one whom a reference means: his name, or his fingerprint or
// its end. It is his place in the list.
func (r role) who(p *signing.Policy, ref string) (int, error) {
	list := r.of(p)
	digits := strings.ToUpper(strings.TrimPrefix(strings.Join(strings.Fields(ref), ""), "0x"))
	const least = 8 // digits: shorter ones are taken for a mistake
	var found []int
	var names []string
	for i, q := range list {
		fp := string(q.Key.Fingerprint())
		if q.Name == ref || len(digits) >= least && strings.HasSuffix(fp, digits) {
			found = append(found, i)
		}
		names = append(names, fmt.Sprintf("%q (%s)", q.Name, q.Key.Fingerprint().Short()))
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no %s %q in version %d of the policy: there are %s", r, ref, p.Version(), strings.Join(names, ", "))
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d %ss are meant by %q\nhint: the fingerprint tells them apart", len(found), r, ref)
}

// table finds the text of one of a role.
func (r role) table(p *signing.Policy, i int) (span, error) {
	all := tables(p.Text(), string(r))
	if len(all) != len(r.of(p)) {
		return span{}, fmt.Errorf("the policy's text is laid out in a way that this command does not know; change its [[%s]] by hand, with quaestor policy edit", r)
	}
	return all[i], nil
}

// add writes another person into a policy, after those of his role.
func (r role) add(p *signing.Policy, q signing.PrincipalSpec) (*signing.Policy, error) {
	if have, ok := find(r.of(p), q.Key); ok {
		hint := fmt.Sprintf("quaestor policy replace %s %s KEY takes a later copy of the key", r, q.Key.Fingerprint().Short())
		if !have.Retired.IsZero() {
			hint = fmt.Sprintf("take out the line retired = … with quaestor policy edit, if %q is to be one again", have.Name)
		}
		return nil, fmt.Errorf("%s is %q already, an %s in version %d\nhint: %s", q.Key.Fingerprint(), have.Name, r, p.Version(), hint)
	}
	last, err := r.table(p, len(r.of(p))-1)
	if err != nil {
		return nil, err
	}
	return changed(p, span{last.end, last.end}, "\n"+r.text(q))
}

// text gives the table of a person.
func (r role) text(q signing.PrincipalSpec) string {
	if r == administrator {
		return signing.AdministratorText(q)
	}
	return signing.InvestigatorText(q)
}

func find(list []signing.Principal, k *signing.PublicKey) (signing.Principal, bool) {
	i := slices.IndexFunc(list, func(q signing.Principal) bool { return q.Key.Fingerprint() == k.Fingerprint() })
	if i < 0 {
		return signing.Principal{}, false
	}
	return list[i], true
}

// changed gives a policy with part of its text replaced.
func changed(p *signing.Policy, at span, text string) (*signing.Policy, error) {
	out := slices.Concat(p.Text()[:at.start], []byte(text), p.Text()[at.end:])
	next, err := signing.ParsePolicy(out)
	if err != nil {
		return nil, fmt.Errorf("the policy would not be one: %w", err)
	}
	return next, nil
}

// remove takes a person out of a policy.
func (r role) remove(p *signing.Policy, i int) (*signing.Policy, error) {
	if len(r.of(p)) == 1 {
		return nil, fmt.Errorf("%q is the only %s\nhint: quaestor policy replace %s puts another in his place", r.of(p)[i].Name, r, r)
	}
	at, err := r.table(p, i)
	if err != nil {
		return nil, err
	}
	// The blank line before it goes with it.
	if bytes.HasSuffix(p.Text()[:at.start], []byte("\n\n")) {
		at.start--
	}
	return changed(p, at, "")
}

// retire notes from when on an administrator signs nothing that counts.
func retire(p *signing.Policy, i int, when time.Time) (*signing.Policy, error) {
	at, err := administrator.table(p, i)
	if err != nil {
		return nil, err
	}
	header := at.start + bytes.IndexByte(p.Text()[at.start:], '\n') + 1
	return changed(p, span{header, header}, fmt.Sprintf("retired = %s\n", when.UTC().Format(time.RFC3339)))
}

// withThreshold gives a policy with another threshold; 0 leaves it.
func withThreshold(text []byte, n int) ([]byte, error) {
	if n == 0 {
		return text, nil
	}
	at := thresholdLine().FindSubmatchIndex(text)
	if at == nil {
		return nil, errors.New("the policy's threshold stands on no line of its own; change it by hand, with quaestor policy edit")
	}
	return slices.Concat(text[:at[3]], fmt.Append(nil, n), text[at[1]:]), nil
}

// inOffice says how many administrators sign policies.
func inOffice(p *signing.Policy) (n int) {
	for _, q := range p.Administrators() {
		if q.Retired.IsZero() {
			n++
		}
	}
	return n
}
