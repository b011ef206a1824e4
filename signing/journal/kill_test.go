package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// victimDir names the variable that makes of the test binary a process that
// begins plans until it is killed.
const victimDir = "JOURNAL_TEST_VICTIM"

// beVictim says of each plan that it began, and never comes back.
func beVictim(dir string) {
	j, err := Open(dir)
	for n := 0; err == nil; n++ {
		if err = j.Begin(entry(n)); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestKilledProcess: every plan that a process began before it was killed is
// known to the next, which finds the journal free.
func TestKilledProcess(t *testing.T) {
	for _, plans := range []int{1, 7, 500} {
		dir := t.TempDir()
		victim := exec.Command(os.Args[0])
		victim.Env = append(os.Environ(), victimDir+"="+dir)
		out, err := victim.StdoutPipe()
		ok(t, err)
		ok(t, victim.Start())
		lines := bufio.NewScanner(out)
		last := -1
		for last < plans-1 && lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the process said %q", lines.Text())
			}
		}
		_, err = Open(dir)
		is(t, err, ErrInUse)
		if got, err := Read(dir); err != nil || len(got) < plans {
			t.Fatalf("beside it, %d entries are read, %v", len(got), err)
		}
		ok(t, victim.Process.Kill())
		for lines.Scan() { // what it had said by then
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the process said %q", lines.Text())
			}
		}
		if victim.Wait() == nil {
			t.Fatal("the process ended by itself")
		}
		j := mustOpen(t, dir)
		for n := range last + 1 {
			if !j.Seen(id(n)) {
				t.Fatalf("plan %d of %d is forgotten", n, last+1)
			}
		}
		is(t, j.Begin(entry(0)), ErrSeen)
	}
}
