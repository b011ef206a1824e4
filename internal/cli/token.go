package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type tokenCommand struct {
	New    tokenNewCommand    `cmd:"" help:"Sign a token that lets agents in, and show it."`
	List   tokenListCommand   `cmd:"" default:"1" help:"List the tokens that were made here (without a command)."`
	Revoke tokenRevokeCommand `cmd:"" help:"Write the next version of the policy, in which a token and its agents count for nothing."`
}

type tokenNewCommand struct {
	Tags        map[string]string `placeholder:"NAME=VALUE" help:"What to know its agents by, as in WHERE tags.NAME = VALUE. They cannot change it. Repeatable."`
	Uses        int               `default:"1" placeholder:"N" help:"How many agents may enrol (default: ${default})."`
	TTL         duration          `name:"ttl" default:"7d" placeholder:"7d" help:"For how long agents may enrol (default: ${default}). Those that have stay."`
	Comment     string            `placeholder:"TEXT" help:"For the list of tokens."`
	Policy      string            `placeholder:"FILE" help:"The policy of the fleet (default: the one in force)."`
	Pin         string            `placeholder:"sha256:…" help:"The pin of the relay's CA (default: that in config.toml)."`
	signerFlags `embed:""`
}

type tokenListCommand struct {
	Format string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
}

type tokenRevokeCommand struct {
	ID   string `arg:"" name:"id" help:"The token, from token list."`
	File string `arg:"" default:"policy.toml" help:"The text to write (default: ${default})."`
}

// A duration is one as the language writes it: 90s, 7d, 1h30m.
type duration time.Duration

// UnmarshalText reads a flag.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := value.ParseDuration(string(b))
	if err == nil && v <= 0 {
		err = fmt.Errorf("%s is no time to wait for", b)
	}
	*d = duration(v)
	return err
}

// policyInForce reads the policy that the home follows, or the one in a file.
func (a *app) policyInForce(file string) (*signing.Policy, error) {
	h, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = h.path(policyFile)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("no policy is in force here\nhint: quaestor setup fetches the fleet's, and --policy FILE names one")
		}
	}
	p, err := readPolicy(file)
	return p.policy, err
}

// Run makes a token.
func (c *tokenNewCommand) Run(a *app) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	p, err := a.policyInForce(c.Policy)
	if err != nil {
		return err
	}
	pin := c.Pin
	if pin == "" {
		if pin, err = a.configuredPin(); err != nil {
			return err
		}
	}
	if pin == "" {
		return errors.New("the token would not say which relay to trust\nhint: quaestor setup, or --pin sha256:…, which quaestor-relay pin DIR shows")
	}
	now := time.Now()
	t, err := signing.NewToken(signing.TokenSpec{Fleet: p.Fleet(), Tags: c.Tags, Uses: c.Uses,
		NotBefore: now.Add(-signing.Leeway), Expires: now.Add(time.Duration(c.TTL)), Comment: c.Comment})
	if err != nil {
		return err
	}
	k, err := c.open(a)
	if err != nil {
		return err
	}
	if who, ok := p.Administrator(k.Fingerprint()); !ok || !who.Retired.IsZero() {
		return fmt.Errorf("%s is no administrator of %q: nobody would accept the token", k.Fingerprint(), value.EscapeText(p.Name()))
	}
	if err := t.Envelope.Sign(a.ctx, k); err != nil {
		return err
	}
	if _, err := h.add(newTokenRecord(t), tokensDir, t.ID().String()+tokenExt); err != nil {
		return err
	}
	var pinned []signing.Fingerprint
	for _, who := range p.Administrators() {
		if who.Retired.IsZero() {
			pinned = append(pinned, who.Key.Fingerprint())
		}
	}
	fmt.Fprintf(a.Err, "token %s: lets %s in until %s\nhint: whoever has the next line can enrol; it is kept nowhere\n",
		t.ID(), plurals(c.Uses, "agent"), t.Spec().Expires.UTC().Format(time.RFC3339))
	_, err = fmt.Fprintln(a.Out, t.String(pinned, pin))
	return err
}

// Run lists tokens.
func (c *tokenListCommand) Run(a *app) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	names, err := h.names(tokensDir, tokenExt)
	if err != nil {
		return err
	}
	var revoked []signing.ID
	if p, err := readPolicy(h.path(policyFile)); err == nil {
		revoked = p.policy.RevokedTokens()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l := list{name: "tokens"}
	l.column("token", value.Version)
	l.column("state", value.Version)
	l.column("uses", value.Int)
	l.column("expires", value.Time)
	l.column("tags", value.Text)
	l.column("comment", value.Text)
	for _, n := range names {
		t, err := readTokenRecord(h.path(tokensDir, n+tokenExt))
		if err != nil {
			fmt.Fprintf(a.Err, "warning: %v\n", err)
			continue
		}
		state := "open"
		switch {
		case slices.Contains(revoked, t.ID):
			state = "revoked"
		case !time.Now().Before(t.Expires):
			state = "expired"
		}
		l.row(value.NewText(t.ID.String()), value.NewText(state), value.NewInt(int64(t.Uses)), value.NewTime(t.Expires),
			textOrNull(tagsText(t.Tags)), textOrNull(t.Comment))
	}
	if len(l.rows) == 0 && c.Format == "table" {
		fmt.Fprintln(a.Err, "no tokens were made here")
	}
	return a.list(l, c.Format)
}

// tagsText writes tags as flags have them, in the order of their names.
func tagsText(tags map[string]string) string {
	var out []string
	for name, v := range tags {
		out = append(out, name+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// A tokenRecord is what is kept of a token: what everyone may see. The secret
// half is not in it.
type tokenRecord struct {
	ID        signing.ID        `json:"id"`
	Fleet     signing.ID        `json:"fleet"`
	Tags      map[string]string `json:"tags,omitempty"`
	Uses      int               `json:"uses"`
	NotBefore time.Time         `json:"not_before"`
	Expires   time.Time         `json:"expires"`
	Comment   string            `json:"comment,omitempty"`
}

func newTokenRecord(t *signing.Token) []byte {
	s := t.Spec()
	b, err := json.MarshalIndent(tokenRecord{t.ID(), s.Fleet, s.Tags, s.Uses, s.NotBefore.UTC(), s.Expires.UTC(), s.Comment}, "", "  ")
	if err != nil {
		panic("cli: a token that JSON cannot hold: " + err.Error())
	}
	return append(b, '\n')
}

func readTokenRecord(name string) (t tokenRecord, err error) {
	b, err := readBounded(name, signing.MaxToken)
	if err != nil {
		return tokenRecord{}, err
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return tokenRecord{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Run writes the next policy.
func (c *tokenRevokeCommand) Run(a *app) error {
	id, err := signing.ParseID(c.ID)
	if err != nil {
		return fmt.Errorf("%q is no token: %w\nhint: quaestor token list shows them", c.ID, err)
	}
	p, err := a.policyInForce("")
	if err != nil {
		return err
	}
	if slices.Contains(p.RevokedTokens(), id) {
		return fmt.Errorf("%s is revoked already, by version %d of the policy", id, p.Version())
	}
	switch draft, err := readPolicy(c.File); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case draft.policy.Fleet() != p.Fleet() || draft.envelope != nil:
		return fmt.Errorf("%s is no text of this fleet's policy\nhint: name another file", c.File)
	case draft.policy.Version() > p.Version():
		p = draft.policy // somebody is at work on the next one
	}
	text := p.Text()
	if inForce, err := a.policyInForce(""); err != nil {
		return err
	} else if inForce.Version() >= p.Version() {
		if text, err = nextVersion(p); err != nil {
			return err
		}
	}
	if text, err = withRevoked(text, "tokens", id); err != nil {
		return err
	}
	if err := os.WriteFile(c.File, text, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "%s revokes the token once it is in force: quaestor policy sign %s, then quaestor policy publish\n", c.File, c.File)
	return err
}
