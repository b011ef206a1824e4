package self

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestContract(t *testing.T) { moduletest.Run(t, agent(), "") }

// A program that asks of its own machine says that it is none of a fleet, and
// makes up nothing that only an agent has.
func TestProgram(t *testing.T) {
	rows, rec := moduletest.Rows(t, agent(), t.TempDir(), strings.Fields("kind policy uptime id fleet running asked refused last_plans journal_size max_rows started pid"), nil)
	want := fmt.Sprintf("program | null | null | null | null | null | null | null | null | null | null | null | %d", os.Getpid())
	if len(rows) != 1 || rows[0] != want || len(rec.Skips()) != 0 {
		t.Errorf("%q, %+v", rows, rec.Skips())
	}
}

func TestAgent(t *testing.T) {
	req, _ := moduletest.Request(t, agent(), "", strings.Fields("kind version policy uptime last_plans spool_size max_timeout outcast"))
	start := time.Now().Add(-time.Hour)
	req.Host.Now = func() time.Time { return start.Add(90 * time.Minute) }
	req.Host.Self = func() modules.Self {
		return modules.Self{Software: "1.2.3", Policy: 7, Started: start, Last: []string{"b", "a"}, SpoolBytes: 2048, Timeout: time.Minute, Outcast: "revoked"}
	}
	var got string
	if err := agent().Scan(t.Context(), req, func(r modules.Row) (err error) {
		got, err = moduletest.Line(t.Context(), r, req.Columns)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := "agent | 1.2.3 | 7 | 1h30m | [b, a] | 2KiB | 1m | revoked"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}
