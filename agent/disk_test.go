package agent

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// An agent whose disk takes no answer says so, instead of being silent about a
// plan that it will never run.
func TestDiskThatTakesNoAnswer(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 10})
	f.run(a)
	if err := os.RemoveAll(a.path(spoolDir)); err != nil {
		t.Fatal(err)
	}
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, "limit: ") || len(got.rows) != 0 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
	list := a.History()
	for range 1000 { // the journal is written behind the answer
		if len(list) == 1 && list[0].Outcome != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
		list = a.History()
	}
	if len(list) != 1 || list[0].Verdict != journal.Accepted || list[0].Outcome != "refused" {
		t.Errorf("%+v", list)
	}
	// So does one that refuses for another reason.
	q = f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, newKey(t, "nobody")))
	if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Refused {
		t.Errorf("%+v", got.sum)
	}
	// With the disk back, it answers.
	if err := os.Mkdir(a.path(spoolDir), 0o700); err != nil {
		t.Fatal(err)
	}
	q = f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	checkNumbers(t, q.open(t, a, f.relay.answerOf(q.payload.ID)).rows, 10)
}
