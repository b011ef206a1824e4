package signing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Version is the version of plans, policies, tokens and memberships that this
// package makes and reads.
const Version = 1

// Bounds of a plan's payload. Bytes, if not said otherwise.
const (
	MaxQuery    = 1 << 20  // the query's text, as package lang bounds it or more
	MaxCompiled = 64 << 20 // its compiled form, which may hold lists of a million hashes
	MaxPurpose  = 4 << 10
	MaxParams   = 1000 // parameters, and as many bytes of a name
	MaxLists    = 64   // lists
	MaxModules  = 64   // modules, and four times as many columns with content
	maxReplyKey = 4 << 10
)

// errVersion says that a payload is of a version that is not known.
var errVersion = errors.New("signing: of a version that is not known here")

// A PlanPayload is what an investigator signs: a question, what it was
// compiled to, when it may run, and where answers go. It is JSON in one
// spelling; times are whole seconds of UTC.
type PlanPayload struct {
	Version  int               `json:"version"` // Version
	ID       ID                `json:"id"`      // drawn at random: a plan runs once
	Fleet    ID                `json:"fleet"`
	Query    string            `json:"query"` // in canonical form
	Params   map[string]string `json:"params,omitempty"`
	Lists    []List            `json:"lists,omitempty"`
	Compiled []byte            `json:"compiled"` // the plan in its wire form

	Planned   time.Time `json:"planned"` // when it was compiled
	NotBefore time.Time `json:"not_before"`
	Expires   time.Time `json:"expires"` // it does not begin at or after this

	Purpose  string `json:"purpose"`           // for who owns the endpoint to read
	ReplyKey []byte `json:"reply_key"`         // what answers are sealed to
	Wrapped  []byte `json:"wrapped,omitempty"` // the reply key's seed in an OpenPGP message to the signers
	Cancel   []byte `json:"cancel"`            // SHA-256 of the secret that cancels

	Modules []string `json:"modules"`           // those that it looks with, sorted
	Content []string `json:"content,omitempty"` // "module.column" for each with content, sorted
}

// A List is what a query calls @name, as it was given, so that a co-signer can
// compile the query again. Instead of its text it may have the number, from 1,
// of the set in the compiled form that holds the same values.
type List struct {
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"`
	Set  int    `json:"set,omitempty"`
}

// Encode gives the bytes to sign: modules and columns sorted, times cut to
// seconds. Who gives more than the bounds allow gets what DecodePlanPayload
// refuses. It panics for a time beyond the year 9999.
func (p *PlanPayload) Encode() []byte {
	q := *p
	q.Planned, q.NotBefore, q.Expires = second(p.Planned), second(p.NotBefore), second(p.Expires)
	q.Modules, q.Content = sorted(p.Modules), sorted(p.Content)
	return encodeJSON(&q)
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// DecodePlanPayload reads what Encode gives, and nothing else. The error wraps
// ErrMalformed.
func DecodePlanPayload(b []byte) (*PlanPayload, error) {
	if err := checkVersion(b); err != nil {
		return nil, err
	}
	p := plainPlan(b)
	if p == nil {
		p = &PlanPayload{}
		if err := decodeJSON(b, p); err != nil {
			return nil, fmt.Errorf("the plan: %w", err)
		}
	}
	if !slices.Equal(p.Modules, sorted(p.Modules)) || !slices.Equal(p.Content, sorted(p.Content)) {
		return nil, fmt.Errorf("the plan: %w: its modules or columns are not sorted", ErrMalformed)
	}
	for _, t := range []time.Time{p.Planned, p.NotBefore, p.Expires} {
		if t != second(t) {
			return nil, fmt.Errorf("the plan: %w: %s is no whole second of UTC", ErrMalformed, t)
		}
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("the plan: %w: %w", ErrMalformed, err)
	}
	return p, nil
}

// checkVersion tells what is of a later version, and so in a form that is not
// known, from what is in no form.
func checkVersion(b []byte) error {
	v := 0
	rest, ok := bytes.CutPrefix(b, []byte(`{"version":`))
	for ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' && v < 1<<20 {
		v, rest = v*10+int(rest[0]-'0'), rest[1:]
	}
	if ok && v != Version && v > 0 {
		return fmt.Errorf("%w: %w: version %d, where %d is known", ErrMalformed, errVersion, v, Version)
	}
	return nil
}

func (p *PlanPayload) check() error {
	switch {
	case p.Version != Version:
		return fmt.Errorf("version %d", p.Version)
	case p.ID.IsZero() || p.Fleet.IsZero():
		return errors.New("it has no id, or names no fleet")
	case p.Query == "" || len(p.Query) > MaxQuery || !utf8.ValidString(p.Query):
		return fmt.Errorf("its query is empty, more than %d bytes, or no text", MaxQuery)
	case len(p.Compiled) == 0 || len(p.Compiled) > MaxCompiled:
		return fmt.Errorf("its compiled form has %d bytes, of at most %d", len(p.Compiled), MaxCompiled)
	case p.Planned.Unix() <= 0 || p.NotBefore.Unix() <= 0 || !p.NotBefore.Before(p.Expires) || p.Planned.After(p.Expires):
		return errors.New("its times are in no order: planned and not_before, then expires")
	case len(p.Purpose) > MaxPurpose || !utf8.ValidString(p.Purpose):
		return fmt.Errorf("its purpose is more than %d bytes, or no text", MaxPurpose)
	case len(p.ReplyKey) == 0 || len(p.ReplyKey) > maxReplyKey:
		return fmt.Errorf("its reply key has %d bytes, of at most %d", len(p.ReplyKey), maxReplyKey)
	case len(p.Wrapped) > 2*MaxSecret:
		return fmt.Errorf("its wrapped key has %d bytes, more than %d", len(p.Wrapped), 2*MaxSecret)
	case len(p.Cancel) != 32:
		return fmt.Errorf("its cancel digest has %d bytes, where SHA-256 has 32", len(p.Cancel))
	}
	if err := p.checkLists(); err != nil {
		return err
	}
	return p.checkModules()
}

func (p *PlanPayload) checkLists() error {
	if len(p.Params) > MaxParams || len(p.Lists) > MaxLists {
		return fmt.Errorf("it has %d parameters and %d lists, of at most %d and %d", len(p.Params), len(p.Lists), MaxParams, MaxLists)
	}
	for name, value := range p.Params {
		if !isLine(name, MaxParams) || len(value) > MaxQuery {
			return fmt.Errorf("its parameter %.40q is too long, or has no good name", name)
		}
	}
	seen := map[string]bool{}
	for _, l := range p.Lists {
		if l.Name == "" || !isLine(l.Name, 256) || seen[l.Name] {
			return fmt.Errorf("its list %.40q is there twice, or has no good name", l.Name)
		}
		if l.Set < 0 || l.Set > 0 && len(l.Data) > 0 {
			return fmt.Errorf("its list %.40q is a text and a set", l.Name)
		}
		seen[l.Name] = true
	}
	return nil
}

func (p *PlanPayload) checkModules() error {
	if len(p.Modules) == 0 || len(p.Modules) > MaxModules || len(p.Content) > 4*MaxModules {
		return fmt.Errorf("it names %d modules and %d columns with content, of 1 to %d, and at most %d", len(p.Modules), len(p.Content), MaxModules, 4*MaxModules)
	}
	for _, m := range p.Modules {
		if !isName(m) {
			return fmt.Errorf("%.80q names no module", m)
		}
	}
	for _, c := range p.Content {
		m, column, _ := strings.Cut(c, ".")
		if !isName(column) || !slices.Contains(p.Modules, m) {
			return fmt.Errorf("%.80q names no column of its modules", c)
		}
	}
	return nil
}
