package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		beVictim(dir)
	}
	goleak.VerifyTestMain(m)
}

// noon is when the tests begin.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func id(n int) signing.ID { return signing.ID{0: byte(n), 1: byte(n >> 8), 2: byte(n >> 16), 15: 1} }

func entry(n int) Entry {
	return Entry{Plan: id(n), At: noon.Add(time.Duration(n) * time.Second), Expires: noon.Add(time.Hour),
		Query: fmt.Sprintf("FIND file /etc/%d", n), Purpose: "case 7", Signers: []string{"AB", "CD"}}
}

func mustOpen(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, not %v", err, want)
	}
}

// reopen closes a journal and opens it again, as an agent's restart does.
func reopen(t testing.TB, j *Journal) *Journal {
	t.Helper()
	ok(t, j.Close())
	return mustOpen(t, j.dir)
}

// anew has the log written anew, as it is when it has grown.
func anew(j *Journal) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rewrite()
}

func TestLifeOfAPlan(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	if j.Seen(id(1)) {
		t.Error("seen before it came")
	}
	is(t, j.Finish(id(1), Finish{At: noon}), ErrUnknown)
	ok(t, j.Begin(entry(1)))
	ok(t, j.Begin(entry(2)))
	is(t, j.Begin(entry(1)), ErrSeen)
	refused := entry(3)
	refused.Code, refused.Reason = "weight", "1 of 2"
	ok(t, j.Refuse(refused))
	if _, known := j.Ended(id(1)); known {
		t.Error("it is known how a plan ended that has not")
	}
	end := Finish{At: noon.Add(time.Minute), Outcome: "complete", Rows: 7, Bytes: 900, Matched: true}
	ok(t, j.Finish(id(1), end))
	is(t, j.Finish(id(1), end), ErrUnknown)

	want := []Entry{entry(1), entry(2), refused}
	want[0].Verdict, want[1].Verdict, want[2].Verdict = Accepted, Accepted, Refused
	want[0].add(end)
	for _, when := range []string{"before", "after"} {
		if got := j.Entries(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s a restart:\n%+v\nnot\n%+v", when, got, want)
		}
		if got := j.Unfinished(); len(got) != 1 || got[0].Plan != id(2) {
			t.Errorf("%s a restart, unfinished: %+v", when, got)
		}
		if !j.Seen(id(1)) || !j.Seen(id(2)) || j.Seen(id(3)) {
			t.Errorf("%s a restart: not what was accepted is seen", when)
		}
		is(t, j.Begin(entry(2)), ErrSeen)
		if got, known := j.Ended(id(1)); got != (Ending{Outcome: "complete", Matched: true}) || !known {
			t.Errorf("%s a restart: %+v, known %v", when, got, known)
		}
		if got, err := Read(j.dir); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s a restart, read beside: %v, %+v", when, err, got)
		}
		if when == "before" {
			j = reopen(t, j)
		}
	}
	if j.Torn() != 0 {
		t.Errorf("%d bytes are torn", j.Torn())
	}
}

func TestRefusedThenAccepted(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	e := entry(1)
	e.Code = "clock"
	ok(t, j.Refuse(e))
	size := j.size
	ok(t, j.Refuse(e))
	if j.size != size {
		t.Error("the same refusal was written twice")
	}
	e.Code = "weight"
	ok(t, j.Refuse(e))
	ok(t, j.Begin(e))
	for _, reason := range []string{"rolled back", "badly signed"} {
		ok(t, j.Refuse(Entry{At: noon, Code: "policy", Reason: reason}))
	}
	if n := len(j.Entries()); n != 5 {
		t.Errorf("%d entries", n)
	}
}

// TestHostileEntry: what stands in a refused plan is a stranger's.
func TestHostileEntry(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	e := entry(1)
	e.At = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)
	e.Expires = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	e.Query = strings.Repeat("\xff\x00<é", 1<<20)
	e.Reason, e.Code, e.Purpose = e.Query, e.Query, e.Query
	for range 1000 {
		e.Signers = append(e.Signers, e.Query[:1000])
	}
	ok(t, j.Refuse(e))
	got := j.Entries()
	if len(got) != 1 || len(got[0].Query) > maxHearsay || len(got[0].Signers) != maxSigners || !strings.HasSuffix(got[0].Query, "…") {
		t.Errorf("%d entries: %.200v", len(got), got)
	}
	e.Expires = noon
	ok(t, j.Begin(e))
	if got := reopen(t, j).Entries(); len(got) != 2 || len(got[1].Query) > maxText {
		t.Errorf("%d entries", len(got))
	}
	e.Plan, e.Expires = id(2), time.Time{}
	if j := mustOpen(t, t.TempDir()); j.Begin(e) == nil || j.Seen(id(2)) {
		t.Error("a plan without expiry began")
	}
}

func TestClock(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	ok(t, j.Clock(noon))
	ok(t, j.Clock(noon.Add(-ClockLeeway)))
	is(t, j.Clock(noon.Add(-ClockLeeway-time.Nanosecond)), ErrClock)
	is(t, j.Clock(time.Time{}), ErrClock)
	is(t, j.Clock(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), ErrClock)
	ok(t, j.Clock(noon.Add(-time.Minute))) // a refused time changed nothing

	size := j.size
	ok(t, j.Clock(noon.Add(clockEvery-time.Nanosecond)))
	if j.size != size {
		t.Error("the time was written twice within a minute")
	}
	is(t, j.Clock(noon.Add(clockEvery-time.Nanosecond-ClockLeeway-time.Nanosecond)), ErrClock) // and is known all the same
	later := noon.Add(24 * time.Hour)
	ok(t, j.Clock(later))
	if j.size == size {
		t.Error("the time was not written after a day")
	}

	// Set back over a restart, as a thief of yesterday's plan would.
	j = reopen(t, j)
	is(t, j.Clock(noon), ErrClock)
	is(t, j.Clock(later.Add(-ClockLeeway-time.Second)), ErrClock)
	ok(t, j.Clock(later.Add(-ClockLeeway)))
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	_, err := Open(dir)
	is(t, err, ErrInUse)
	ok(t, j.Begin(entry(1)))
	ok(t, j.Close())
	ok(t, j.Close())
	is(t, j.Begin(entry(2)), ErrClosed)
	is(t, j.Clock(noon), ErrClosed)
	if second := mustOpen(t, dir); !second.Seen(id(1)) {
		t.Error("the second process does not know the plan")
	}
}

func TestFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no mode bits: the folder's ACL is inherited")
		return
	}
	dir := filepath.Join(t.TempDir(), "state")
	j := mustOpen(t, dir)
	ok(t, j.Begin(entry(1)))
	for _, name := range []string{".", logName, lockName} {
		info, err := os.Stat(filepath.Join(dir, name))
		ok(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", name, info.Mode())
		}
	}
}

// TestConcurrent: of many that begin one plan, one does.
func TestConcurrent(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	var mu sync.Mutex
	began := map[int]int{}
	for range 8 {
		wg.Go(func() {
			for n := range 200 {
				if err := j.Begin(entry(n)); err == nil {
					mu.Lock()
					began[n]++
					mu.Unlock()
					if err := j.Finish(id(n), Finish{At: noon}); err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, ErrSeen) {
					t.Error(err)
				}
				j.Seen(id(n))
				j.Ended(id(n))
			}
			j.Entries()
		})
	}
	wg.Wait()
	for n := range 200 {
		if began[n] != 1 {
			t.Errorf("plan %d began %d times", n, began[n])
		}
	}
	if len(j.Unfinished()) != 0 {
		t.Error("a plan did not end")
	}
}

// outcomes are those of the plans in TestAgainstModel; the empty one is of who
// did not say.
var outcomes = [...]string{"complete", "partial", "failed", ""}

// TestAgainstModel: whatever happens, in whatever order, over restarts and
// rewrites, the journal knows what a map would.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		j, err := Open(dir)
		if err != nil {
			r.Fatal(err)
		}
		defer func() { j.Close() }()
		begun, ended := map[int]bool{}, map[int]bool{}
		for range rapid.IntRange(0, 40).Draw(r, "steps") {
			n := rapid.IntRange(0, 9).Draw(r, "plan")
			switch rapid.SampledFrom([]string{"begin", "finish", "refuse", "restart", "rewrite"}).Draw(r, "step") {
			case "begin":
				if err := j.Begin(entry(n)); errors.Is(err, ErrSeen) != begun[n] {
					r.Fatalf("begin %d: %v", n, err)
				}
				begun[n] = true
			case "finish":
				err := j.Finish(id(n), Finish{At: noon, Outcome: outcomes[n%len(outcomes)], Matched: n%2 == 0})
				if errors.Is(err, ErrUnknown) != (!begun[n] || ended[n]) {
					r.Fatalf("finish %d: %v", n, err)
				}
				ended[n] = ended[n] || err == nil
			case "refuse":
				if err := j.Refuse(entry(n)); err != nil {
					r.Fatal(err)
				}
			case "restart":
				if err := j.Close(); err != nil {
					r.Fatal(err)
				}
				if j, err = Open(dir); err != nil {
					r.Fatal(err)
				}
			case "rewrite":
				j.mu.Lock()
				err := j.rewrite()
				j.mu.Unlock()
				if err != nil {
					r.Fatal(err)
				}
			}
			for n := range 10 {
				got, known := j.Ended(id(n))
				var want Ending
				if ended[n] {
					want = Ending{Outcome: outcomes[n%len(outcomes)], Matched: n%2 == 0}
				}
				if j.Seen(id(n)) != begun[n] || known != ended[n] || got != want {
					r.Fatalf("plan %d: seen %v, known %v, %+v, want %+v", n, j.Seen(id(n)), known, got, want)
				}
			}
		}
	})
}

// TestSyncedWithin: the disk is told at once of what a plan waits for, and within
// seconds of all else; who asks for it waits for no clock.
func TestSyncedWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := mustOpen(t, t.TempDir())
		disk := &modelDisk{fullDisk: fullDisk{appender: j.log, room: 1 << 20}}
		j.mu.Lock()
		j.log = disk
		j.mu.Unlock()
		lacks := func() bool {
			synctest.Wait()
			return disk.synced.Load() < disk.written.Load()
		}
		ok(t, j.Begin(entry(1)))
		ok(t, j.Begin(entry(2)))
		if lacks() {
			t.Error("a plan began, and the disk does not know it")
		}
		ok(t, j.Died(id(1), noon, "of a fault"))
		if lacks() {
			t.Error("a process died, and the disk does not know it")
		}
		for _, step := range []func() error{
			func() error { return j.Finish(id(1), Finish{At: noon}) },
			func() error { return j.Clock(noon) },
			func() error { return j.Refuse(entry(3)) },
		} {
			ok(t, step())
			if !lacks() {
				t.Error("the disk was told at once")
			}
			time.Sleep(syncWithin)
			if lacks() {
				t.Error("the disk was not told in time")
			}
		}
		ok(t, j.Finish(id(2), Finish{At: noon}))
		before := time.Now()
		ok(t, j.Sync())
		if lacks() || !time.Now().Equal(before) {
			t.Error("Sync waited for the clock, or did not sync")
		}
	})
}

// TestDeaths: how many processes died over a plan outlives the agent, and the
// making anew of the file; a plan that has ended counts no more of them.
func TestDeaths(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	is(t, j.Died(id(1), noon, "early"), ErrUnknown)
	ok(t, j.Begin(entry(1)))
	ok(t, j.Begin(entry(2)))
	ok(t, j.Died(id(1), noon, "the first"))
	j = reopen(t, j)
	ok(t, j.Died(id(1), noon, "the second"))
	check := func() {
		t.Helper()
		if j.Deaths(id(1)) != 2 || j.Deaths(id(2)) != 0 {
			t.Errorf("%d and %d deaths", j.Deaths(id(1)), j.Deaths(id(2)))
		}
		if e := j.Entries()[0]; e.Deaths != 2 || e.Death != "the second" {
			t.Errorf("%+v", e)
		}
	}
	check()
	for range 2 {
		ok(t, anew(j))
		check()
		j = reopen(t, j)
		check()
	}
	ok(t, j.Finish(id(1), Finish{At: noon, Outcome: "failed"}))
	is(t, j.Died(id(1), noon, "late"), ErrUnknown)
	check()
}
