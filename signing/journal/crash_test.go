package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logOf gives the bytes of a log in which plans 0 to n-1 begin, and where each
// of them ends.
func logOf(t testing.TB, n int) (log []byte, ends []int) {
	t.Helper()
	j := mustOpen(t, t.TempDir())
	for i := range n {
		ok(t, j.Begin(entry(i)))
		ends = append(ends, int(j.size))
	}
	ok(t, j.Close())
	log, err := os.ReadFile(filepath.Join(j.dir, logName))
	ok(t, err)
	return log, ends
}

// openLog opens a journal with the given log, and gives also its folder.
func openLog(t testing.TB, log []byte) *Journal {
	t.Helper()
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, logName), log, 0o600))
	return mustOpen(t, dir)
}

// TestKilledAtEveryByte: wherever the log ends, nothing before the torn record
// is forgotten, the torn one is reported, and what comes next is kept.
func TestKilledAtEveryByte(t *testing.T) {
	log, ends := logOf(t, 3)
	for n := range len(log) + 1 {
		j := openLog(t, log[:n])
		whole := 0
		for i, end := range ends {
			if j.Seen(id(i)) != (end <= n) {
				t.Fatalf("cut at %d: plan %d, which ends at %d, is seen: %v", n, i, end, end > n)
			}
			if end <= n {
				whole = end
			}
		}
		if j.Torn() != int64(n-whole) {
			t.Fatalf("cut at %d: %d bytes torn, not %d", n, j.Torn(), n-whole)
		}
		ok(t, j.Begin(entry(9)))
		j = reopen(t, j)
		if !j.Seen(id(9)) || j.Torn() != 0 || whole > 0 && !j.Seen(id(0)) {
			t.Fatalf("cut at %d: what came next is not kept, or %d bytes are torn again", n, j.Torn())
		}
		ok(t, j.Close())
	}
}

// TestEveryByteDamaged: a damaged record costs itself and no other.
func TestEveryByteDamaged(t *testing.T) {
	log, ends := logOf(t, 3)
	for n := range log {
		damaged := append([]byte(nil), log...)
		damaged[n] ^= 0x40
		j := openLog(t, damaged)
		start := 0
		for i, end := range ends {
			if hit := n >= start && n < end; j.Seen(id(i)) == hit {
				t.Fatalf("byte %d damaged: plan %d is seen: %v", n, i, !hit)
			}
			start = end
		}
		if j.Torn() == 0 {
			t.Fatalf("byte %d damaged, and nothing is said of it", n)
		}
		ok(t, j.Close())
	}
}

// TestZeroes: a loss of power may leave zeroes where the end of the log was to be.
func TestZeroes(t *testing.T) {
	log, _ := logOf(t, 2)
	for _, n := range []int{1, 12, 13, 4096, 3 << 20} {
		j := openLog(t, append(log[:len(log):len(log)], make([]byte, n)...))
		if !j.Seen(id(0)) || !j.Seen(id(1)) || j.Torn() != int64(n) {
			t.Fatalf("%d zeroes: %d torn", n, j.Torn())
		}
	}
}

// A fullDisk takes so many bytes more, and then part of a write.
type fullDisk struct {
	appender
	room      int
	noCut     bool // it cannot be cut either
	syncFails bool
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) WriteAt(b []byte, at int64) (int, error) {
	if len(b) <= d.room {
		d.room -= len(b)
		return d.appender.WriteAt(b, at)
	}
	n, err := d.appender.WriteAt(b[:d.room], at)
	d.room = 0
	return n, errors.Join(errFull, err)
}

func (d *fullDisk) Truncate(size int64) error {
	if d.noCut {
		return errFull
	}
	return d.appender.Truncate(size)
}

func (d *fullDisk) Sync() error {
	if d.syncFails {
		return errFull
	}
	return d.appender.Sync()
}

func replaceDisk(j *Journal, d *fullDisk) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.log = d
}

// TestFullDisk: with any number of bytes free that are too few, a plan does not
// begin, is not known as begun, and the log stays whole.
func TestFullDisk(t *testing.T) {
	log, ends := logOf(t, 2)
	size := ends[1] - ends[0]
	for room := range size {
		j := openLog(t, log[:ends[0]])
		disk := &fullDisk{appender: j.log, room: room}
		replaceDisk(j, disk)
		is(t, j.Begin(entry(1)), errFull)
		if j.Seen(id(1)) {
			t.Fatalf("%d bytes free: the plan that did not begin is seen", room)
		}
		disk.room = 1 << 20 // somebody makes room
		ok(t, j.Begin(entry(2)))
		j = reopen(t, j)
		if !j.Seen(id(0)) || j.Seen(id(1)) || !j.Seen(id(2)) || j.Torn() != 0 {
			t.Fatalf("%d bytes free: %d torn, or plans are mixed up", room, j.Torn())
		}
		ok(t, j.Close())
	}
}

// TestTornAndStuck: when a torn record cannot be taken back, nothing begins any
// more; the next process finds everything before it.
func TestTornAndStuck(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	ok(t, j.Begin(entry(0)))
	replaceDisk(j, &fullDisk{appender: j.log, room: 20, noCut: true})
	is(t, j.Begin(entry(1)), errFull)
	is(t, j.Begin(entry(2)), errFull)
	is(t, j.Clock(noon), errFull)
	is(t, j.Close(), errFull)
	again := mustOpen(t, j.dir)
	if !again.Seen(id(0)) || again.Seen(id(1)) || again.Torn() != 20 {
		t.Errorf("%d bytes torn", again.Torn())
	}
}

// TestSyncFails: when the disk did not take what was written, no further plan
// begins.
func TestSyncFails(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	replaceDisk(j, &fullDisk{appender: j.log, room: 1 << 20, syncFails: true})
	ok(t, j.Begin(entry(0)))
	var err error
	for n := 1; err == nil && n < 5000; n++ { // the sync is in the background
		err = j.Begin(entry(n))
		time.Sleep(time.Millisecond)
	}
	is(t, err, errFull)
	is(t, j.Close(), errFull)
}

// TestRewriteKilled: a new log that was not finished does not replace the old.
func TestRewriteKilled(t *testing.T) {
	log, _ := logOf(t, 2)
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, logName), log, 0o600))
	ok(t, os.WriteFile(filepath.Join(dir, newName), log[:20], 0o600))
	j := mustOpen(t, dir)
	if !j.Seen(id(0)) || !j.Seen(id(1)) || j.Torn() != 0 {
		t.Error("the unfinished log was taken")
	}
	if _, err := os.Stat(filepath.Join(dir, newName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished log is still there: %v", err)
	}
}

// TestRewriteFails: without room for a new log the old one serves on.
func TestRewriteFails(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	ok(t, j.Begin(entry(0)))
	ok(t, os.Mkdir(filepath.Join(j.dir, newName), 0o700)) // so that it cannot be made
	ok(t, os.Mkdir(filepath.Join(j.dir, newName, "full"), 0o700))
	j.compact = j.size
	ok(t, j.Begin(entry(1)))
	ok(t, j.Begin(entry(2)))
	ok(t, os.RemoveAll(filepath.Join(j.dir, newName)))
	j = reopen(t, j)
	for n := range 3 {
		if !j.Seen(id(n)) {
			t.Errorf("plan %d is forgotten", n)
		}
	}
}

// TestRewriteMeetsFullDisk: a new log that found no room has noted nothing, the
// time least of all.
func TestRewriteMeetsFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system than Linux has /dev/full")
	}
	j := mustOpen(t, t.TempDir())
	ok(t, j.Clock(noon))
	ok(t, j.Clock(noon.Add(50*time.Second))) // known, and not written yet
	ok(t, os.Symlink("/dev/full", filepath.Join(j.dir, newName)))
	j.mu.Lock()
	err := j.rewrite()
	j.mu.Unlock()
	is(t, err, syscall.ENOSPC)
	latest := noon.Add(100 * time.Second)
	ok(t, j.Clock(latest))
	if j = reopen(t, j); latest.Sub(j.latest) >= clockEvery {
		t.Errorf("after a restart the clock stands at %v, and %v was seen", j.latest, latest)
	}
}

// TestSyncWaits: what was noted before Sync is on the disk after it.
func TestSyncWaits(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	ok(t, j.Sync()) // of nothing
	disk := &modelDisk{fullDisk: fullDisk{appender: j.log, room: 1 << 20}}
	j.mu.Lock()
	j.log = disk
	j.mu.Unlock()
	for n := range 20 {
		ok(t, j.Begin(entry(n)))
		ok(t, j.Sync())
		if disk.synced.Load() != j.size {
			t.Fatalf("plan %d: %d of %d bytes are on the disk", n, disk.synced.Load(), j.size)
		}
	}
	ok(t, j.Close())
	is(t, j.Sync(), ErrClosed)
}

// FuzzScan: whatever stands in a log, reading it ends, accounts for every byte
// that is no record, and finds the whole records that stand behind it.
func FuzzScan(f *testing.F) {
	log, ends := logOf(f, 2)
	f.Add(log)
	f.Add(log[:ends[0]+9])
	f.Add([]byte(mark + "\xff\xff\xff\xff"))
	f.Add([]byte(strings.Repeat(mark, 9)))
	last := log[ends[0]:]
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := 0
		torn, err := scan(strings.NewReader(string(b)), func(r *record) error { whole++; return nil })
		if err != nil || torn < 0 || torn > int64(len(b)) || whole == 0 && torn != int64(len(b)) {
			t.Fatalf("%d records, %d of %d bytes torn, %v", whole, torn, len(b), err)
		}
		found := false
		_, err = scan(strings.NewReader(string(b)+string(last)), func(r *record) error {
			found = r.kind == kindBegin && r.entry.Plan == id(1)
			return nil
		})
		if err != nil || !found {
			t.Fatalf("the record behind %q is lost: %v", b, err)
		}
		stop := errors.New("stop")
		if _, err := scan(io.MultiReader(strings.NewReader(string(last)), strings.NewReader(string(b))), func(*record) error { return stop }); err != stop {
			t.Fatalf("went on: %v", err)
		}
	})
}
