package signing

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestVerify(t *testing.T) {
	h := newHouse(t)
	v, err := h.policy.Verify(signedPlan(t, h.files(), h.alice, h.bob), VerifyOptions{At: now()})
	if err != nil {
		t.Fatal(err)
	}
	if v.Weight() != 2 || !slices.Equal(v.Signers(), []Fingerprint{h.alice.Fingerprint(), h.bob.Fingerprint()}) || v.Payload().Query != "FROM fleet FIND host" {
		t.Errorf("%+v", v)
	}
	if (Verified{}).Payload() != nil {
		t.Error("the zero value has a plan")
	}
}

// Each refusal, and what it teaches.
func TestVerifyRefuses(t *testing.T) {
	h := newHouse(t)
	other := person(t, "mallory")
	seen := errors.New("at noon")
	for name, c := range map[string]struct {
		envelope func() *Envelope
		at       time.Time
		code     string
		says     []string
	}{
		"another type":   {func() *Envelope { return signed(t, TypePolicy, h.plan().Encode(), h.alice) }, now(), CodeType, []string{TypePolicy}},
		"no plan":        {func() *Envelope { return signed(t, TypePlan, []byte("{}"), h.alice) }, now(), CodeMalformed, []string{"plan"}},
		"a newer plan":   {func() *Envelope { return signed(t, TypePlan, []byte(`{"version":2,"x":1}`), h.alice) }, now(), CodeType, []string{"version 2"}},
		"another fleet":  {func() *Envelope { p := h.plan(); p.Fleet = ID{1}; return signedPlan(t, p, h.alice) }, now(), CodeFleet, []string{h.fleet.String(), ID{1}.String()}},
		"too early":      {func() *Envelope { return signedPlan(t, h.plan(), h.alice) }, now().Add(-6 * time.Minute), CodeWindow, []string{"may not run before"}},
		"too late":       {func() *Envelope { return signedPlan(t, h.plan(), h.alice) }, now().Add(time.Hour), CodeWindow, []string{"expired"}},
		"open for years": {func() *Envelope { p := h.plan(); p.Expires = now().AddDate(1, 0, 0); return signedPlan(t, p, h.alice) }, now(), CodeWindow, []string{"168h"}},
		"from tomorrow": {func() *Envelope {
			p := h.plan()
			p.Planned = now().Add(30 * time.Minute)
			return signedPlan(t, p, h.alice)
		}, now(), CodeWindow, []string{"says that it was made"}},
		"unsigned":    {func() *Envelope { return signedPlan(t, h.plan()) }, now(), CodeSignature, []string{"no signature"}},
		"by nobody":   {func() *Envelope { return signedPlan(t, h.plan(), other) }, now(), CodeSignature, []string{string(other.Fingerprint()), "not that of an investigator"}},
		"by an admin": {func() *Envelope { return signedPlan(t, h.plan(), h.admin) }, now(), CodeSignature, []string{"not that of an investigator"}},
		"too light": {func() *Envelope { return signedPlan(t, h.files(), h.alice) }, now(), CodeWeight,
			[]string{"module file needs weight 2", `"alice" weigh 1`, "1 is missing", `"bob" (1)`, `"carol" (2)`}},
		"content too light": {func() *Envelope {
			p := h.files()
			p.Content = []string{"file.content"}
			return signedPlan(t, p, h.carol)
		}, now(), CodeWeight, []string{"column file.content needs weight 3", "weigh 2", `"alice" (1)`}},
		"too light, and one more who counts for nothing": {func() *Envelope { return signedPlan(t, h.files(), h.alice, other) }, now(), CodeWeight,
			[]string{"1 is missing", "not counted", string(other.Fingerprint())}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := h.policy.Verify(c.envelope(), VerifyOptions{At: c.at})
			wantRefusal(t, err, c.code, c.says...)
			if v.Payload() != nil || !errors.Is(err, ErrRefused) {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	t.Run("seen", func(t *testing.T) {
		p := h.plan()
		_, err := h.policy.Verify(signedPlan(t, p), VerifyOptions{At: now(), Seen: func(id ID) error {
			if id != p.ID {
				t.Errorf("asked for %s", id)
			}
			return seen
		}})
		wantRefusal(t, err, CodeSeen, "at noon", p.ID.String())
		if !errors.Is(err, seen) {
			t.Error("the cause is lost")
		}
	})
}

// A relay may add what it likes: it takes nothing from those who signed.
func TestVerifyPassesOverStrangers(t *testing.T) {
	h := newHouse(t)
	e := signedPlan(t, h.plan(), person(t, "mallory"), h.alice)
	e.Signatures = append(e.Signatures, Signature{KeyID: string(h.bob.Fingerprint()), Sig: []byte("nonsense")})
	v, err := h.policy.Verify(e, VerifyOptions{At: now()})
	if err != nil || v.Weight() != 1 || !slices.Equal(v.Signers(), []Fingerprint{h.alice.Fingerprint()}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestPermit(t *testing.T) {
	h := newHouse(t)
	text := replaced(h.text, map[string]string{"allow = []": `allow = ["/etc/**"]`})
	paths := mustPolicy(t, text)
	links := mustPolicy(t, replaced(text, map[string]string{"follow_links = false": "follow_links = true"}))
	standing := mustPolicy(t, replaced(h.text, map[string]string{"follow_links = false": "follow_links = false\nstanding = \"30m\"", "[default]\n": "[default]\nstanding = \"1h\"\n"}))
	watching := mustPolicy(t, replaced(h.text, map[string]string{"follow_links = false": "follow_links = false\nwatch = true", "[default]\n": "[default]\nwatch = true\n"}))
	narrow := mustPolicy(t, replaced(h.text, map[string]string{"concurrent = 4": "concurrent = 4\nread = \"1 GiB\"\nopen_files = 64\nio = \"low\""}))
	closed := mustPolicy(t, replaced(h.text, map[string]string{`content = ["content"]`: "content = []"}))
	files := Needs{Modules: []string{"host", "file"}, Paths: true}
	content := Needs{Modules: []string{"file", "host"}, Content: []string{"file.content"}, Paths: true}
	for name, c := range map[string]struct {
		policy *Policy
		needs  Needs
		code   string // "" is permitted
		says   []string
	}{
		"as it says":         {h.policy, files, "", nil},
		"no paths, no rule":  {h.policy, Needs{Modules: []string{"file", "host"}}, "", nil},
		"content":            {h.policy, content, "", nil},
		"content closed":     {closed, content, CodeContent, []string{"file.content", "[module.file]", `"content"`}},
		"a module in secret": {h.policy, Needs{Modules: []string{"file", "host", "process"}}, CodeMalformed, []string{"process"}},
		"a module for show":  {h.policy, Needs{Modules: []string{"host"}}, CodeMalformed, []string{"file"}},
		"content in secret":  {h.policy, Needs{Modules: files.Modules, Content: []string{"file.content"}}, CodeMalformed, []string{"file.content"}},
		"paths":              {paths, files, "", nil},
		"paths not checked":  {paths, Needs{Modules: files.Modules}, CodePath, []string{"not checked"}},
		"links out of paths": {paths, Needs{Modules: files.Modules, Paths: true, FollowLinks: true}, CodePath, []string{"follow_links = true"}},
		"links allowed":      {links, Needs{Modules: files.Modules, Paths: true, FollowLinks: true}, "", nil},
		"sends unnamed":      {h.policy, Needs{Modules: files.Modules, Paths: true, Named: []string{"host"}}, CodeModule, []string{"[module.host]", "default rule"}},
		"sends and is named": {h.policy, Needs{Modules: files.Modules, Paths: true, Named: []string{"file"}}, "", nil},
		"standing":           {h.policy, Needs{Modules: files.Modules, Every: time.Hour}, CodeLimit, []string{"lets none stand", `standing = "1h"`}},
		"standing allowed":   {standing, Needs{Modules: files.Modules, Every: time.Hour}, "", nil},
		"too often":          {standing, Needs{Modules: files.Modules, Every: time.Hour - 1}, CodeLimit, []string{"every 1h"}},
		"watching":           {standing, Needs{Modules: files.Modules, Watch: true}, CodeLimit, []string{"lets none watch", "watch = true"}},
		"watching allowed":   {watching, Needs{Modules: files.Modules, Watch: true}, "", nil},
		"at the ceilings":    {h.policy, Needs{Modules: files.Modules, Timeout: 10 * time.Minute, Rows: 1e6, Bytes: 1 << 30, Memory: 256 << 20, Workers: 4}, "", nil},
		"timeout":            {h.policy, Needs{Modules: files.Modules, Timeout: 10*time.Minute + 1}, CodeLimit, []string{"timeout", "10m"}},
		"rows":               {h.policy, Needs{Modules: files.Modules, Rows: 1e6 + 1}, CodeLimit, []string{"rows", "1000000"}},
		"bytes":              {h.policy, Needs{Modules: files.Modules, Bytes: 1<<30 + 1}, CodeLimit, []string{"bytes"}},
		"memory":             {h.policy, Needs{Modules: files.Modules, Memory: 256<<20 + 1}, CodeLimit, []string{"memory"}},
		"workers":            {h.policy, Needs{Modules: files.Modules, Workers: 5}, CodeLimit, []string{"workers"}},
		"read":               {narrow, Needs{Modules: files.Modules, Read: 1<<30 + 1}, CodeLimit, []string{"bytes read"}},
		"read, without":      {h.policy, Needs{Modules: files.Modules, Read: 1 << 50}, "", nil},
		"open files":         {narrow, Needs{Modules: files.Modules, Files: 65}, CodeLimit, []string{"open files", "64"}},
		"I/O":                {h.policy, Needs{Modules: files.Modules, IO: 2}, CodeLimit, []string{"I/O", "idle"}},
		"I/O, allowed":       {narrow, Needs{Modules: files.Modules, IO: 2, Read: 1 << 30, Files: 64}, "", nil},
		"I/O, too good":      {narrow, Needs{Modules: files.Modules, IO: 3}, CodeLimit, []string{"low"}},
		"fewer than no rows": {h.policy, Needs{Modules: files.Modules, Rows: -1}, CodeLimit, []string{"rows"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.files()
			if slices.Contains(c.needs.Content, "file.content") && name != "content in secret" {
				p.Content = []string{"file.content"}
			}
			v, err := c.policy.Verify(signedPlan(t, p, h.alice, h.carol), VerifyOptions{At: now()})
			if err != nil {
				t.Fatal(err)
			}
			err = c.policy.Permit(v, c.needs)
			if c.code == "" && err != nil {
				t.Fatal(err)
			}
			if c.code != "" {
				wantRefusal(t, err, c.code, c.says...)
			}
		})
	}
	wantRefusal(t, h.policy.Permit(Verified{}, Needs{}), CodeMalformed, "not verified")
}

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	msg := []byte("challenge")
	sig := func(k *PrivateKey) []byte {
		b, err := k.Sign(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, k := range []*PrivateKey{h.alice, h.admin} {
		if _, err := h.policy.Authenticate(k.Fingerprint(), msg, sig(k), now()); err != nil {
			t.Error(err)
		}
	}
	other := person(t, "mallory")
	_, err := h.policy.Authenticate(other.Fingerprint(), msg, sig(other), now())
	wantRefusal(t, err, CodeSignature, "nobody's")
	_, err = h.policy.Authenticate(h.alice.Fingerprint(), msg, sig(h.bob), now())
	wantRefusal(t, err, CodeSignature, "not by key")
	_, err = h.policy.Authenticate(h.alice.Fingerprint(), []byte("another"), sig(h.alice), now())
	wantRefusal(t, err, CodeSignature, "not of this text")
	_, err = h.policy.Authenticate(h.alice.Fingerprint(), msg, sig(h.alice), now().Add(Leeway+time.Second))
	wantRefusal(t, err, CodeSignature, "before there was anything")
}
