package signing

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNewPolicyTextIsAPolicy(t *testing.T) {
	h := newHouse(t)
	p := mustPolicy(t, h.write(nil))
	if p.Version() != 1 || p.Fleet() != h.fleet || p.Name() != "test" || p.Threshold() != 1 || len(p.Administrators()) != 2 || len(p.Investigators()) != 3 {
		t.Errorf("%+v", p)
	}
	if q, ok := p.Investigator(h.carol.Fingerprint()); !ok || q.Weight != 2 || q.Name != "carol" {
		t.Errorf("%+v", q)
	}
	if _, ok := p.Administrator(h.carol.Fingerprint()); ok {
		t.Error("carol is an administrator")
	}
	want := Ceilings{Timeout: 10 * time.Minute, Window: 7 * 24 * time.Hour, Rows: 1e6, Bytes: 1 << 30, Memory: 256 << 20, Workers: 4, IO: 1, Concurrent: 4}
	if p.Ceilings() != want {
		t.Errorf("%+v", p.Ceilings())
	}
	if r := p.Rule("process"); r.Module != "" || r.Weight != 1 {
		t.Errorf("%+v", r)
	}
	if r := p.Rule("file"); r.Module != "file" || r.ContentWeight != 2 || p.HasPaths("file") {
		t.Errorf("%+v", r)
	}
	if rules := p.Rules(); len(rules) != 2 || rules[0].Module != "" {
		t.Errorf("%+v", rules)
	}
	if string(p.Text()) != h.write(nil) {
		t.Error("another text")
	}
	// Without ceilings, the same are in force.
	text, _, _ := strings.Cut(h.write(nil), "# The most that")
	if p := mustPolicy(t, text); p.Ceilings() != want {
		t.Errorf("%+v", p.Ceilings())
	}
}

// A name can hold what it likes; the text stays what it is.
func TestPolicyTextQuotes(t *testing.T) {
	h := newHouse(t)
	text := NewPolicyText(PolicySpec{Fleet: h.fleet, Name: "a\"\nthreshold = 9 \x1b[31m\\",
		Administrators: []PrincipalSpec{{Name: "r\"oo\\t", Key: h.admin.Public()}},
		Investigators:  []PrincipalSpec{{Name: "é", Key: h.alice.Public(), Weight: 7}}})
	p := mustPolicy(t, text)
	if p.Name() != `a"threshold = 9 [31m\` || p.Administrators()[0].Name != `r"oo\t` || p.Investigators()[0].Weight != 7 {
		t.Errorf("%q %+v", p.Name(), p.Administrators())
	}
}

// What cannot be a policy, and what is said about it.
func TestParsePolicyRefuses(t *testing.T) {
	h := newHouse(t)
	key := string(h.alice.Public().Armor())
	for name, c := range map[string]struct {
		from, to string
		says     string
	}{
		"misspelt key":         {"[ceilings]\n", "[ceilings]\nmemmory = \"1 GiB\"\n", "ceilings.memmory"},
		"what a battery does":  {"[ceilings]\n", "[ceilings]\non_battery = \"stop\"\n", "on_battery"},
		"no class of I/O":      {"[ceilings]\n", "[ceilings]\nio = \"best\"\n", "one of idle, low, normal"},
		"fewer than no files":  {"[ceilings]\n", "[ceilings]\nopen_files = -1\n", "open_files"},
		"misspelt table":       {"[ceilings]", "[ceiling]", `"ceiling`},
		"misplaced key":        {"[default]\n", "[default]\nthreshold = 2\n", "default.threshold"},
		"another case":         {"weight = 1\n\n# Content", "weight = 1\nWEIGHT = 3\n\n# Content", "default.WEIGHT"},
		"format":               {"format = 1", "format = 2", "format = 2"},
		"no format":            {"format = 1", "", "format = 0"},
		"version 0":            {"version = 1", "version = 0", "versions begin with 1"},
		"no fleet":             {h.fleet.String(), strings.Repeat("0", 32), "fleet"},
		"threshold 0":          {"threshold = 1", "threshold = 0", "threshold = 0"},
		"threshold too high":   {"threshold = 1", "threshold = 3", "[[administrator]]"},
		"threshold of retired": {"threshold = 1\n", "threshold = 2\n", ""},
		"weight 0":             {"weight = 2\n", "weight = 0\n", "weight = 0"},
		"weight":               {"weight = 2\n", "weight = 1001\n", "1 to 1000"},
		"negative weight":      {"weight = 2\n", "weight = -2\n", "weight = -2"},
		"text as weight":       {"weight = 2\n", "weight = \"2\"\n", "weight"},
		"no key":               {key, "nonsense\n", `"alice"`},
		"two keys":             {key, key + key, "2 armored blocks"},
		"private key":          {key, string(must(h.alice.Armor(nil))), "PGP PUBLIC KEY"},
		"no name":              {`name = "alice"`, `name = ""`, "name"},
		"control in name":      {`name = "alice"`, `name = "al\u001bice"`, "name"},
		"retired investigator": {`name = "alice"`, "name = \"alice\"\nretired = 2026-01-01T00:00:00Z", "not retired"},
		"weighty admin":        {`name = "root"`, "name = \"root\"\nweight = 2", "no weight"},
		"no rule weight":       {"[default]\nweight = 1", "[default]", "weight = 0"},
		"default content":      {"[default]\n", "[default]\ncontent = [\"content\"]\n", "by name"},
		"content with module":  {`content = ["content"]`, `content = ["file.content"]`, "without the module"},
		"content weight":       {"content_weight = 3", "content_weight = 1", "not below weight"},
		"relative glob":        {"allow = []", `allow = ["etc/*"]`, "not absolute"},
		"backslash":            {"allow = []", `allow = ["C:\\Users"]`, "slashes"},
		"braces":               {"allow = []", `allow = ["/{a,b}"]`, "braces"},
		"glob":                 {"deny = []", `deny = ["/[a"]`, "syntax error"},
		"glob with two stars":  {"deny = []", `deny = ["/a**"]`, "stands alone"},
		"glob with dots":       {"deny = []", `deny = ["/a/../b"]`, ".."},
		"timeout":              {`timeout = "10m"`, `timeout = "10"`, "10m"},
		"window":               {`window = "7d"`, `window = "91d"`, "at most"},
		"negative window":      {`window = "7d"`, `window = "-7d"`, "length of time"},
		"bytes":                {`bytes = "1 GiB"`, `bytes = "1GB"`, "1 GiB"},
		"rows":                 {"rows = 1000000", "rows = -1", "at least 1"},
		"wiped, not revoked":   {"wipe = []", `wipe = ["` + NewID().String() + `"]`, "not among agents"},
		"revoked":              {"agents = []", `agents = ["web-1"]`, "32 hex digits"},
		"no text":              {"format = 1", "format = 1 # \xff", "UTF-8"},
		"twice":                {"format = 1", "format = 1\nformat = 1", "format"},
		"brackets":             {"agents = []", "agents = " + strings.Repeat("[", 100), "brackets"},
		"dots":                 {"agents = []", strings.Repeat("a.", 600) + "a = 1", "dots"},
		"many dots":            {"agents = []", strings.Repeat(strings.Repeat("a.", 400)+"a = 1\n", 60), "dots"},
		"long":                 {"agents = []", "#" + strings.Repeat(" ", MaxPolicy), "bytes"},
		"no investigators":     {h.text[strings.Index(h.text, "[[investigator]]"):strings.Index(h.text, "# The rule of modules")], "", "[[investigator]]"},
	} {
		t.Run(name, func(t *testing.T) {
			text := replaced(h.text, map[string]string{c.from: c.to})
			if name == "threshold of retired" {
				text = replaced(text, map[string]string{"# retired =": "retired ="})
				c.says = "not retired, 1"
			}
			_, err := ParsePolicy([]byte(text))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if len(err.Error()) > 2000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// next gives the text of version n, with more replaced.
func (h *house) next(n string, replace map[string]string) []byte {
	return []byte(replaced(replaced(h.text, map[string]string{"version = 1": "version = " + n}), replace))
}

func TestAccept(t *testing.T) {
	h := newHouse(t)
	two := mustPolicy(t, string(h.next("2", map[string]string{"threshold = 1": "threshold = 2"})))
	mallory := person(t, "mallory")
	for name, c := range map[string]struct {
		from *Policy
		text []byte
		by   []Signer
		code string // "" is accepted
		says []string
		back bool // wraps ErrRollback
	}{
		"higher version":           {h.policy, h.next("2", nil), []Signer{h.admin}, "", nil, false},
		"much higher":              {h.policy, h.next("99", nil), []Signer{h.second}, "", nil, false},
		"both":                     {h.policy, h.next("2", nil), []Signer{h.second, h.admin}, "", nil, false},
		"same text, unsigned":      {h.policy, []byte(h.text), nil, "", nil, false},
		"older":                    {two, []byte(h.text), []Signer{h.admin, h.second}, CodePolicy, []string{"version 1", "2 is in force"}, true},
		"another text":             {two, h.next("2", nil), []Signer{h.admin, h.second}, CodePolicy, []string{"same version, 2"}, true},
		"unsigned":                 {h.policy, h.next("2", nil), nil, CodeSignature, []string{"1 administrators", "0 count", "nobody"}, false},
		"by an investigator":       {h.policy, h.next("2", nil), []Signer{h.alice}, CodeSignature, []string{string(h.alice.Fingerprint())}, false},
		"by a stranger":            {h.policy, h.next("2", nil), []Signer{mallory}, CodeSignature, []string{string(mallory.Fingerprint())}, false},
		"threshold":                {two, h.next("3", nil), []Signer{h.admin}, CodeSignature, []string{"asks for the signatures of 2", "1 count", `"root"`}, false},
		"threshold reached":        {two, h.next("3", nil), []Signer{h.admin, h.second}, "", nil, false},
		"the new one's threshold":  {h.policy, h.next("2", map[string]string{"threshold = 1": "threshold = 2"}), []Signer{h.admin}, CodeSignature, []string{"version 2 asks for"}, false},
		"another fleet":            {h.policy, h.next("2", map[string]string{h.fleet.String(): ID{9}.String()}), []Signer{h.admin}, CodeFleet, []string{ID{9}.String()}, false},
		"nonsense by an admin":     {h.policy, []byte("format = 7"), []Signer{h.admin}, CodeMalformed, []string{"format"}, false},
		"nonsense by a stranger":   {h.policy, []byte("format = 7"), []Signer{mallory}, CodeSignature, nil, false},
		"a coup: own admins alone": {h.policy, h.next("2", map[string]string{string(h.admin.Public().Armor()): string(mallory.Public().Armor())}), []Signer{mallory}, CodeSignature, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.from.Accept(signed(t, TypePolicy, c.text, c.by...), now())
			if c.code == "" {
				if err != nil || !bytes.Equal(p.Text(), c.text) {
					t.Fatal(err)
				}
				return
			}
			wantRefusal(t, err, c.code, c.says...)
			if errors.Is(err, ErrRollback) != c.back || p != nil {
				t.Errorf("ErrRollback is %v", !c.back)
			}
		})
	}
	_, err := h.policy.Accept(signed(t, TypePlan, h.next("2", nil), h.admin), now())
	wantRefusal(t, err, CodeType)
	// One administrator signing twice is one.
	e := signed(t, TypePolicy, h.next("3", nil), h.admin)
	e.Signatures = append(e.Signatures, e.Signatures[0])
	_, err = two.Accept(e, now())
	wantRefusal(t, err, CodeSignature, "counted once")
}

// Who retired signs no policies, not even with a clock set back.
func TestRetiredAdministratorsSignNoPolicies(t *testing.T) {
	h := newHouse(t)
	retired := replaced(h.text, map[string]string{"# retired = 2030-01-01": "retired = 2026-02-01"})
	p := mustPolicy(t, retired)
	for _, signer := range []*PrivateKey{h.admin, at(t, h.admin, now().AddDate(0, 0, -40))} {
		text := []byte(replaced(retired, map[string]string{"version = 1": "version = 2"}))
		_, err := p.Accept(signed(t, TypePolicy, text, signer), now())
		wantRefusal(t, err, CodeSignature, "retired at 2026-02-01")
		if _, err := p.Accept(signed(t, TypePolicy, text, h.second, signer), now()); err != nil {
			t.Error(err)
		}
	}
}

func TestFirstPolicy(t *testing.T) {
	h := newHouse(t)
	pins := func(k ...*PrivateKey) (list []Fingerprint) {
		for _, k := range k {
			list = append(list, k.Fingerprint())
		}
		return list
	}
	mallory := person(t, "mallory")
	theirs := replaced(h.text, map[string]string{string(h.admin.Public().Armor()): string(mallory.Public().Armor())})
	strict := replaced(h.text, map[string]string{"threshold = 1": "threshold = 2"})
	for name, c := range map[string]struct {
		text   string
		by     []Signer
		pinned []Fingerprint
		code   string
		says   string
	}{
		"pinned":                      {h.text, []Signer{h.admin}, pins(h.admin), "", ""},
		"one of the pinned":           {h.text, []Signer{h.second}, pins(h.admin, h.second), "", ""},
		"threshold":                   {strict, []Signer{h.admin, h.second}, pins(h.admin), "", ""},
		"below the threshold":         {strict, []Signer{h.admin}, pins(h.admin), CodeSignature, "asks for the signatures of 2"},
		"another administrator":       {h.text, []Signer{h.second}, pins(h.admin), CodePolicy, "is not signed by an administrator who is known here"},
		"nothing pinned":              {h.text, []Signer{h.admin}, nil, CodePolicy, "nobody"},
		"a policy of the relay's":     {theirs, []Signer{mallory}, pins(h.admin), CodePolicy, string(h.admin.Fingerprint())},
		"pinned signer, not in there": {theirs, []Signer{mallory, h.admin}, pins(h.admin), CodePolicy, ""},
		"nonsense":                    {"x", []Signer{h.admin}, pins(h.admin), CodeMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := FirstPolicy(signed(t, TypePolicy, []byte(c.text), c.by...), c.pinned, now())
			if c.code != "" {
				wantRefusal(t, err, c.code, c.says)
			} else if err != nil || p.Version() != 1 {
				t.Fatal(err)
			}
		})
	}
	_, err := FirstPolicy(signed(t, TypeToken, []byte(h.text), h.admin), pins(h.admin), now())
	wantRefusal(t, err, CodeType)
}

func TestPolicyGivesCopies(t *testing.T) {
	h := newHouse(t)
	h.policy.Administrators()[0].Name = "mallory"
	h.policy.Text()[0] = 'x'
	if h.policy.Administrators()[0].Name != "root" || h.policy.Text()[0] == 'x' {
		t.Error("who reads a policy can change it")
	}
	id := ID{7}
	p := mustPolicy(t, replaced(h.text, map[string]string{"agents = []": `agents = ["` + id.String() + `"]`}))
	if !slices.Equal(p.RevokedAgents(), []ID{id}) || len(p.RevokedTokens()) != 0 {
		t.Error(p.RevokedAgents())
	}
}

// A time that names no zone is that of UTC, wherever the text is read: this is
// read again by a process in another zone.
func TestTimesWithoutAZone(t *testing.T) {
	const zone = "Asia/Tokyo"
	if os.Getenv("TZ") != zone {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTimesWithoutAZone$")
		cmd.Env = append(os.Environ(), "TZ="+zone)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	h := newHouse(t)
	for text, want := range map[string]time.Time{
		"2030-01-01T00:00:00Z":      time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		"2030-01-01T00:00:00":       time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		"2030-01-01":                time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		"2030-01-01T00:00:00+09:00": time.Date(2029, 12, 31, 15, 0, 0, 0, time.UTC),
		`"2030-01-01T00:00:00Z"`:    time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		p := mustPolicy(t, h.write(map[string]string{"# retired = 2030-01-01T00:00:00Z": "retired = " + text}))
		if got := p.Administrators()[0].Retired; !got.Equal(want) {
			t.Errorf("%s in %s: %s", text, time.Local, got)
		}
	}
	for _, text := range []string{"7", `"soon"`, "[]"} {
		if _, err := ParsePolicy([]byte(h.write(map[string]string{"# retired = 2030-01-01T00:00:00Z": "retired = " + text}))); !errors.Is(err, ErrMalformed) {
			t.Errorf("retired = %s: %v", text, err)
		}
	}
}
