package signing

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// upgrading gives the policy of the house with two who must sign, and with
// what it says of upgrades.
func (h *house) upgrading(t testing.TB, rule string) *Policy {
	t.Helper()
	text := strings.Replace(h.text, "threshold = 1", "threshold = 2", 1)
	return mustPolicy(t, strings.Replace(text, `upgrade = "never"`, rule, 1))
}

func (h *house) release() *Release {
	return &Release{
		Version: Version, Fleet: h.fleet, Release: "1.4.0", Made: now().Add(-time.Hour), Expires: now().AddDate(0, 6, 0), Notes: "Faster.\n",
		Files: []File{{OS: "linux", Arch: "arm64", Size: 9, Sum: translog.Sum{2}}, {OS: "linux", Arch: "amd64", Size: 8, Sum: translog.Sum{1}}},
	}
}

func (h *house) rollOut(r *Release) *RollOut {
	return &RollOut{
		Version: Version, Fleet: h.fleet, Release: r.Release, Manifest: translog.SumOf(r.Encode()), Number: 1,
		Target: "FROM fleet", Compiled: []byte("plan"), Made: now().Add(-time.Minute), NotBefore: now().Add(-time.Minute), Expires: now().AddDate(0, 0, 7), Health: 60,
	}
}

func TestVerifyUpgrade(t *testing.T) {
	h := newHouse(t)
	p := h.upgrading(t, `upgrade = "signed"`)
	r := h.release()
	o := h.rollOut(r)
	u, err := p.VerifyUpgrade(signed(t, TypeRelease, r.Encode(), h.admin, h.second), signed(t, TypeRollOut, o.Encode(), h.second, h.admin), now())
	if err != nil {
		t.Fatal(err)
	}
	if u.Release().Release != "1.4.0" || u.RollOut().Number != 1 || u.Manifest() != translog.SumOf(r.Encode()) || len(u.Signers()) != 2 || u.Signers()[0] != h.second.Fingerprint() {
		t.Errorf("%+v", u)
	}
	if f, ok := u.Release().For("linux", "amd64"); !ok || f.Size != 8 || f.System() != "linux/amd64" {
		t.Errorf("%+v", f)
	}
	if _, ok := u.Release().For("plan9", "amd64"); ok {
		t.Error("it is for what it is not for")
	}
	if z := (Upgrade{}); z.Release() != nil || z.RollOut() != nil {
		t.Error("the zero value holds something")
	}
}

// Each way in which an upgrade is not one, and what is said about it.
func TestVerifyUpgradeRefuses(t *testing.T) {
	h := newHouse(t)
	allowed := h.upgrading(t, `upgrade = "signed"`)
	both := []Signer{h.admin, h.second}
	for name, c := range map[string]struct {
		policy         *Policy
		release        func(*Release)
		rollOut        func(*RollOut)
		first, second  []Signer
		kinds          [2]string
		at             time.Time
		code, contains string
	}{
		"the policy says never":         {policy: h.upgrading(t, `upgrade = "never"`), code: CodeUpgrade, contains: `upgrade = "signed"`},
		"the policy says nothing":       {policy: h.upgrading(t, ``), code: CodeUpgrade},
		"too few sign the release":      {first: both[:1], code: CodeSignature, contains: "release 1.4.0 asks for the signatures of 2 administrators and 1 count"},
		"nobody signs the release":      {first: []Signer{}, code: CodeSignature},
		"too few sign the roll-out":     {second: both[1:], code: CodeSignature, contains: "stage 1 of release 1.4.0"},
		"investigators sign":            {first: []Signer{h.alice, h.bob, h.carol}, code: CodeSignature, contains: "not that of an administrator"},
		"an investigator beside one":    {second: []Signer{h.admin, h.carol}, code: CodeSignature},
		"another fleet's release":       {release: func(r *Release) { r.Fleet = NewID() }, code: CodeFleet},
		"another fleet's roll-out":      {rollOut: func(o *RollOut) { o.Fleet = NewID() }, code: CodeFleet},
		"the release expired":           {at: now().AddDate(0, 7, 0), code: CodeWindow, contains: "release 1.4.0 expired"},
		"the roll-out expired":          {at: now().AddDate(0, 0, 8), code: CodeWindow, contains: "stage 1 of release 1.4.0 expired"},
		"the roll-out is of tomorrow":   {rollOut: func(o *RollOut) { o.NotBefore = now().AddDate(0, 0, 1) }, code: CodeWindow, contains: "may not begin before"},
		"the release is of tomorrow":    {release: func(r *Release) { r.Made = now().AddDate(0, 0, 1) }, code: CodeWindow},
		"signed before it was made":     {rollOut: func(o *RollOut) { o.Made = now().Add(4 * time.Minute) }, second: []Signer{at(t, h.admin, now().Add(-time.Hour)), h.second}, code: CodeSignature, contains: "before there was anything to sign"},
		"a roll-out of other bytes":     {rollOut: func(o *RollOut) { o.Manifest[3]++ }, code: CodeManifest},
		"a roll-out of another version": {rollOut: func(o *RollOut) { o.Release = "1.5.0" }, code: CodeManifest},
		"a plan for the release":        {kinds: [2]string{TypePlan, TypeRollOut}, code: CodeType},
		"a release for the roll-out":    {kinds: [2]string{TypeRelease, TypeRelease}, code: CodeType},
		"a later form":                  {release: func(r *Release) { r.Version = 2 }, code: CodeType, contains: "version 2"},
		"a malformed release":           {release: func(r *Release) { r.Files = nil }, code: CodeMalformed},
		"a malformed roll-out":          {rollOut: func(o *RollOut) { o.Health = 0 }, code: CodeMalformed},
	} {
		r := h.release()
		if c.release != nil {
			c.release(r)
		}
		o := h.rollOut(r)
		if c.rollOut != nil {
			c.rollOut(o)
		}
		if c.policy == nil {
			c.policy = allowed
		}
		if c.first == nil {
			c.first = both
		}
		if c.second == nil {
			c.second = both
		}
		if c.kinds[0] == "" {
			c.kinds = [2]string{TypeRelease, TypeRollOut}
		}
		if c.at.IsZero() {
			c.at = now()
		}
		u, err := c.policy.VerifyUpgrade(signed(t, c.kinds[0], r.Encode(), c.first...), signed(t, c.kinds[1], o.Encode(), c.second...), c.at)
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(refused.Reason, c.contains) || u.Release() != nil {
			t.Errorf("%s: %v, want %s with %q", name, err, c.code, c.contains)
		}
	}
}

// One who signs twice is one, and a key that has expired since counts no more:
// what is installed is the word of those who are there now.
func TestVerifyReleaseCountsPeople(t *testing.T) {
	h := newHouse(t)
	p := h.upgrading(t, `upgrade = "signed"`)
	e := signed(t, TypeRelease, h.release().Encode(), h.admin)
	e.Signatures = append(e.Signatures, e.Signatures[0])
	if _, err := p.VerifyRelease(e, now()); err == nil || !strings.Contains(err.Error(), "counted once") {
		t.Errorf("twice: %v", err)
	}
	retired := mustPolicy(t, strings.Replace(strings.Replace(h.upgradingText(), "name = \"root\"", "name = \"root\"\nretired = 2026-02-01T00:00:00Z", 1), "threshold = 2", "threshold = 1", 1))
	if _, err := retired.VerifyRelease(e, now()); err == nil || !strings.Contains(err.Error(), "retired") {
		t.Errorf("retired: %v", err)
	}
}

func (h *house) upgradingText() string {
	text := strings.Replace(h.text, "threshold = 1", "threshold = 2", 1)
	return strings.Replace(text, `upgrade = "never"`, `upgrade = "signed"`, 1)
}

// What cannot be a release or a roll-out, and what is said about it.
func TestDecodeReleaseRefuses(t *testing.T) {
	h := newHouse(t)
	for want, change := range map[string]func(*Release){
		`"1.4" is no version`:           func(r *Release) { r.Release = "1.4" },
		`"v1.4.0" is no version`:        func(r *Release) { r.Release = "v1.4.0" },
		`"1.4.0+b" is no version`:       func(r *Release) { r.Release = "1.4.0+b" },
		`"1.4.0/../x" is no version`:    func(r *Release) { r.Release = "1.4.0/../x" },
		"it names no fleet":             func(r *Release) { r.Fleet = ID{} },
		"in no order":                   func(r *Release) { r.Expires = r.Made },
		"apart":                         func(r *Release) { r.Expires = r.Made.AddDate(2, 0, 0) },
		"its notes":                     func(r *Release) { r.Notes = strings.Repeat("x", MaxNotes+1) },
		"it has 0 files":                func(r *Release) { r.Files = nil },
		"it has 33 files":               func(r *Release) { r.Files = make([]File, 33) },
		`"linux/amd64" is there twice`:  func(r *Release) { r.Files[0].Arch = "amd64" },
		`"../amd64" is there twice, or`: func(r *Release) { r.Files[0].OS, r.Files[0].Arch = "..", "amd64" },
		"has 0 bytes":                   func(r *Release) { r.Files[0].Size = 0 },
		"has 268435457 bytes":           func(r *Release) { r.Files[0].Size = MaxProgram + 1 },
	} {
		r := h.release()
		change(r)
		if _, err := DecodeRelease(r.Encode()); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, change := range map[string]func(*RollOut){
		"is no version":                   func(o *RollOut) { o.Release = "new" },
		"it names no fleet":               func(o *RollOut) { o.Fleet = ID{} },
		"stage 0":                         func(o *RollOut) { o.Number = 0 },
		"its target is empty":             func(o *RollOut) { o.Target = "" },
		"its compiled target has 0 bytes": func(o *RollOut) { o.Compiled = nil },
		"in no order":                     func(o *RollOut) { o.NotBefore = o.Expires },
		"it is open for":                  func(o *RollOut) { o.Expires = o.NotBefore.AddDate(0, 4, 0) },
		"health is 4 seconds":             func(o *RollOut) { o.Health = 4 },
		"health is 3601 seconds":          func(o *RollOut) { o.Health = 3601 },
	} {
		o := h.rollOut(h.release())
		change(o)
		if _, err := DecodeRollOut(o.Encode()); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	swapped := h.release().Encode()
	swapped = bytes.Replace(swapped, []byte(`"arch":"amd64","size":8`), []byte(`"arch":"zz","size":8`), 1)
	if _, err := DecodeRelease(swapped); !errors.Is(err, ErrMalformed) {
		t.Errorf("not sorted: %v", err)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		newer bool
	}{
		{"1.4.0", "1.3.9", true}, {"1.10.0", "1.9.0", true}, {"1.4.0", "1.4.0", false}, {"1.4.0-rc.1", "1.4.0", false},
		{"1.4.0", "1.4.0-rc.1", true}, {"1.3.0", "1.4.0", false}, {"0.0.1", "", true}, {"1.0.0", "(devel)", true}, {"junk", "1.0.0", false},
	} {
		if Newer(c.a, c.b) != c.newer {
			t.Errorf("%s newer than %s: %t", c.a, c.b, !c.newer)
		}
	}
}

func FuzzDecodeRelease(f *testing.F) {
	h := newHouse(f)
	r := h.release()
	f.Add(r.Encode())
	f.Add(h.rollOut(r).Encode())
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRelease(b); err == nil && (!bytes.Equal(r.Encode(), b) || !IsRelease(r.Release) || len(r.Files) == 0) {
			t.Errorf("%q is read as %+v", b, r)
		}
		if o, err := DecodeRollOut(b); err == nil && (!bytes.Equal(o.Encode(), b) || o.Number < 1) {
			t.Errorf("%q is read as %+v", b, o)
		}
	})
}
