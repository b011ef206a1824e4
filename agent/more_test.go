package agent

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A relay that could not store a chunk says what it has: the agent goes back
// to there, with large answers and with small ones.
func TestChunksThatWereNotStored(t *testing.T) {
	f := newFleet(t)
	n := 0
	f.relay.unstored = func() bool { n++; return n == 1 || n == 4 }
	a := f.open(f.enroll(), numbers{rows: 30_000})
	f.run(a)
	small, large := f.ask("FROM fleet FIND host"), f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(small, f.asker))
	if got := small.open(t, a, f.relay.answerOf(small.payload.ID)); len(got.rows) != 1 {
		t.Errorf("%+v", got)
	}
	f.relay.offer(f.sign(large, f.asker))
	checkNumbers(t, large.open(t, a, f.relay.answerOf(large.payload.ID)).rows, 30_000)
	f.relay.set(func() {
		if n < 5 || len(f.relay.hellos) != 1 {
			t.Errorf("%d chunks stored or not, %d connections", n, len(f.relay.hellos))
		}
	})
}

// A relay that wants no answer, or refuses it, is not asked again and again,
// and the agent goes on.
func TestAnswersThatARelayRefuses(t *testing.T) {
	for _, code := range []string{message.FailUnknown, message.FailBad} {
		f := newFleet(t)
		a := f.open(f.enroll(), numbers{rows: 30_000})
		f.run(a)
		f.relay.fail = &message.Failure{Code: code, Reason: "no"}
		q := f.ask("FROM fleet FIND number")
		f.relay.offer(f.sign(q, f.asker))
		eventually(t, "the plan has ended", func() bool { l := a.History(); return len(l) == 1 && !l[0].Finished.IsZero() })
		if code == message.FailUnknown {
			eventually(t, "the answer is forgotten", func() bool { return len(a.spool.open()) == 0 })
		}
		f.relay.set(func() { f.relay.fail = nil })
		next := f.ask("FROM fleet FIND host")
		f.relay.offer(f.sign(next, f.asker))
		f.relay.answerOf(next.payload.ID)
		if kept := a.spool.find(q.payload.ID) != nil; kept != (code == message.FailBad) {
			t.Errorf("%s: kept is %v", code, kept)
		}
	}
}

// When no relay takes the answer and the spool is full, the scan waits, and
// ends after its bound with what it had.
func TestSpoolFullEndsPartial(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 60_000})
	a.spool.memory, a.spool.disk, a.fullWait = 1, 1<<20, 50*time.Millisecond
	f.relay.mute = true
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "it has ended", func() bool { l := a.History(); return len(l) == 1 && !l[0].Finished.IsZero() })
	f.relay.set(func() { f.relay.mute, f.relay.gaps = false, true })
	f.relay.dropAll()
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Partial || got.sum.Reason != errUnsent.Error() || got.sum.Matched != int64(len(got.rows)) || len(got.rows) == 0 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
	for i, r := range got.rows {
		if n := int(r[0].Int()); n != i && n != i+1 {
			t.Fatalf("row %d is %d", i, n)
		}
	}
}

// What an answer may hold is bounded by the policy.
func TestAnswerIsBounded(t *testing.T) {
	f := newFleet(t)
	text := strings.Replace(f.policyText(2), `bytes = "1 GiB"`, `bytes = "64 KiB"`, 1)
	a := f.open(f.enroll(), numbers{rows: 30_000})
	f.run(a)
	eventually(t, "it is connected", func() bool { return a.Status().Relay != "" })
	f.relay.say(message.TypePolicy, f.signPolicy(2, text, f.admin).Encode())
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Partial || !slices.Contains(got.sum.Limits, "sent") || len(got.rows) < 500 || len(got.rows) > 1000 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
}

// A certificate is renewed when a third of its time is left, and asked for
// anew when it has expired.
func TestRenewal(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{})
	var ahead atomic.Int64
	a.opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	f.run(a)
	eventually(t, "it is connected", func() bool { return a.Status().Relay != "" })
	before, err := os.ReadFile(filepath.Join(dir, tlsFile))
	if err != nil {
		t.Fatal(err)
	}
	a.renewIfDue(t.Context())
	ahead.Store(int64(50 * time.Minute))
	a.renewIfDue(t.Context())
	after, err := os.ReadFile(filepath.Join(dir, tlsFile))
	f.relay.mu.Lock()
	renewals := f.relay.renewals
	f.relay.mu.Unlock()
	if err != nil || string(before) == string(after) || renewals != 1 {
		t.Errorf("%d renewals, %v", renewals, err)
	}
	// The relay of this test knows no time but now; what it gives is as good.
	ahead.Add(int64(2 * time.Hour))
	c, err := a.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	again, err := os.ReadFile(filepath.Join(dir, tlsFile))
	if err != nil || string(again) == string(after) {
		t.Errorf("the expired certificate is kept: %v", err)
	}
}

func TestEnrollTwice(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	token, err := signing.NewToken(signing.TokenSpec{Fleet: f.id, Uses: 1, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Envelope.Sign(t.Context(), f.admin); err != nil {
		t.Fatal(err)
	}
	admin := []signing.Fingerprint{f.admin.Fingerprint()}
	stranger := []signing.Fingerprint{newKey(t, "stranger").Fingerprint()}
	other, err := signing.NewToken(signing.TokenSpec{Fleet: signing.NewID(), Uses: 1, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Envelope.Sign(t.Context(), f.admin); err != nil {
		t.Fatal(err)
	}
	pin := f.relay.ca.Pin()
	for name, o := range map[string]EnrollOptions{
		"again":                {Dir: dir, Token: token.String(admin, pin)},
		"no token":             {Dir: t.TempDir(), Token: "x"},
		"another's policy":     {Dir: t.TempDir(), Token: token.String(stranger, pin)},
		"another fleet":        {Dir: t.TempDir(), Token: other.String(admin, pin)},
		"another relay":        {Dir: t.TempDir(), Token: token.String(admin, "sha256:"+strings.Repeat("0", 64))},
		"a tag that is none":   {Dir: t.TempDir(), Token: token.String(admin, pin), Tags: []string{"Team"}},
		"a proxy that is none": {Dir: t.TempDir(), Token: token.String(admin, pin), Proxy: "gopher://x"},
	} {
		o.Relays = []string{f.relay.addr()}
		if _, err := Enroll(t.Context(), o); err == nil || (name == "again") != errors.Is(err, ErrEnrolled) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(o.Dir, configFile)); name != "again" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it is an agent now", name)
		}
	}
	if _, err := Open(f.options(t.TempDir())); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestConfig(t *testing.T) {
	pin := "sha256:" + strings.Repeat("a", 64)
	dir := t.TempDir()
	good := newConfig([]string{"a:1", "b:2"}, pin, "env")
	for text, ok := range map[string]bool{
		string(good.text()): true,
		strings.Replace(string(good.text()), "relays = ", "relay = ", 1):                  false,
		strings.Replace(string(good.text()), "concurrent = 4", "concurrent = 0", 1):       false,
		strings.Replace(string(good.text()), "sha256:", "", 1):                            false,
		strings.Replace(string(good.text()), `timeout = ""`, `timeout = "10m"`, 1):        true,
		strings.Replace(string(good.text()), `timeout = ""`, `timeout = "-1m"`, 1):        false,
		strings.Replace(string(good.text()), `timeout = ""`, `timeout = "soon"`, 1):       false,
		strings.Replace(string(good.text()), "rows = 0", "rows = -1", 1):                  false,
		strings.Replace(string(good.text()), "memory_mib = 0", "memory_mib = 1", 1):       false,
		strings.Replace(string(good.text()), "memory_mib = 0", "memory_mib = 512", 1):     true,
		strings.Replace(string(good.text()), "open_files = 0", "open_files = 3", 1):       false,
		strings.Replace(string(good.text()), `io = "normal"`, `io = "low"`, 1):            true,
		strings.Replace(string(good.text()), `io = "normal"`, `io = "best"`, 1):           false,
		strings.Replace(string(good.text()), "read_mib = 0", "read_mib = 99999999999", 1): false,
		"relays = [":    false,
		"spool_mib = 3": false,
	} {
		if err := os.WriteFile(filepath.Join(dir, configFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := readConfig(dir)
		if (err == nil) != ok || ok && (!slices.Equal(c.Relays, good.Relays) || c.Pin != pin || c.Proxy != "env" || c.Spool != good.Spool) {
			t.Errorf("%q: %+v %v", text, c, err)
		}
	}
	if got := withPorts([]string{"a", "b:1", "::1", "[::1]:5"}); !slices.Equal(got, []string{"a:7443", "b:1", "[::1]:7443", "[::1]:5"}) {
		t.Error(got)
	}
}

func TestTags(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tags")
	if tags, err := readTags(name); err != nil || len(tags) != 0 {
		t.Errorf("no file: %v %v", tags, err)
	}
	text := tagsText + "\nteam = web \nrack=\n  site = a=b\nBad = 1\nnothing\nlong = " + strings.Repeat("x", maxTag+1) + "\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tags, err := readTags(name)
	if !maps.Equal(tags, map[string]string{"team": "web", "rack": "", "site": "a=b"}) || err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v, %v", tags, err)
	}
}

// The file of tags is opened again where it changed, by its size, its time or in
// its place, and as long as it is so new that a change could hide.
func TestTagsAreReadAnew(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tags")
	var tags tagsRead
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(step, rack string) {
		t.Helper()
		for range 2 {
			if got, err := tags.read(name); err != nil || got["rack"] != rack {
				t.Errorf("%s: %v, %v, want rack %q", step, got, err, rack)
			}
		}
	}
	want("no file", "")
	write("rack = 1", long)
	want("the first", "1")
	write("rack = 2", long)
	want("all that a stat shows is the same", "1") // which shows that it was not read
	write("rack = 3", long.Add(time.Second))
	want("another time", "3")
	write("rack = 44", long.Add(time.Second))
	want("another size", "44")
	if runtime.GOOS != "windows" { // which tells them apart by their names
		at := long.Add(time.Second)
		if err := errors.Join(os.WriteFile(name+".new", []byte("rack = 55"), 0o600), os.Chtimes(name+".new", at, at), os.Rename(name+".new", name)); err != nil {
			t.Fatal(err)
		}
		want("another file in its place", "55")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	want("gone", "")
	now := time.Now()
	for _, rack := range []string{"6", "7", "8"} {
		write("rack = "+rack, now)
		want("twice within one step of the time", rack)
	}
	write("rack = 9", time.Now().Add(time.Hour))
	want("of a time to come", "9")
	write("rack = 0", time.Now().Add(time.Hour))
	want("of a time to come, again", "0")
	write("Rack", long)
	for range 2 {
		if _, err := tags.read(name); err == nil {
			t.Error("what is no tag is not told")
		}
	}
}

// The status is written where it changed, and says since when it has been so.
func TestStatusIsWrittenOnChange(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	name := a.path(statusFile)
	written := func() (there bool) {
		t.Helper()
		_, err := os.Stat(name)
		if there = err == nil; there {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		return there
	}
	a.writeStatus()
	if !written() {
		t.Error("the first is not written")
	}
	a.writeStatus()
	if written() {
		t.Error("what was written is written again")
	}
	a.note(func(s *Status) { s.Error = "no relay" })
	a.writeStatus()
	s, err := ReadStatus(a.opts)
	if err != nil || s.Error != "no relay" || s.Process != os.Getpid() || s.Written.IsZero() || s.Certificate.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	if !written() {
		t.Error("a change is not written")
	}
}
