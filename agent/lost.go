package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// aliveFile is there while an agent lives, and after one that did not end by
// its own will: then the next life says what became of it.
const aliveFile = "alive.json"

// A life is what an agent leaves for the next one, should it be ended.
type life struct {
	Boot  string `json:"boot"`  // which start of the machine it was
	Kills int64  `json:"kills"` // how often the kernel had killed for want of memory
}

// lifeNow gives what is so now.
func lifeNow() life {
	// A system that does not say has no Boot, and its lives are told apart by nothing.
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return life{Boot: strings.TrimSpace(string(b)), Kills: sandbox.OOMKills()}
}

// A loss says how an earlier life ended that did not end by its own will; the
// zero loss is of one that did.
type loss struct {
	outcome answer.Outcome // of what it was looking at
	reason  string
}

// lossSince says what became of an earlier life.
func lossSince(before, now life) loss {
	switch {
	case before.Boot != now.Boot:
		return loss{answer.Failed, "the machine was started anew while the agent looked"}
	case now.Kills > before.Kills:
		return loss{answer.Partial, fmt.Sprintf("the agent was ended while it looked, and has come back: the machine had no memory left, and its kernel killed %d processes since", now.Kills-before.Kills)}
	}
	return loss{answer.Failed, "the agent was ended while it looked, and has come back"}
}

// takeLife says what became of the life before, and begins this one.
func (a *Agent) takeLife() {
	b, err := readFile(a.path(aliveFile))
	if err == nil {
		var before life
		if err = json.Unmarshal(b, &before); err == nil {
			a.lost = lossSince(before, lifeNow())
			a.state.Earlier = a.lost.reason
			a.log.Warn("the life before did not end by its own will", "reason", a.lost.reason)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.lost = loss{answer.Failed, "the agent was ended while it looked, and nobody knows how"}
		a.log.Warn("nobody knows how the life before ended", "error", err)
	}
	a.noteLife()
}

// noteEvery is the least time between two looks at what a later life is to know:
// the kernel counts its memory anew for each.
const noteEvery = time.Minute

// noteLife keeps for a later life what is so now, or was a moment ago.
func (a *Agent) noteLife() {
	if time.Since(a.notedAt) < noteEvery {
		return
	}
	now := lifeNow()
	a.notedAt = time.Now()
	if a.noted == now {
		return
	}
	if err := wholefile.Put(a.path(aliveFile), 0o600, message.Marshal(now)); err != nil {
		a.log.Warn("a later life will not know how this one ended", "error", err)
		return
	}
	a.noted = now
}

// leaveLife ends this life by its own will.
func (a *Agent) leaveLife() error {
	if err := os.Remove(a.path(aliveFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// cutShort is the account of a plan that an earlier life did not end.
func (a *Agent) cutShort() answer.Summary {
	if a.lost.reason == "" {
		return answer.Summary{Outcome: answer.Failed, Reason: errStopped.Error()}
	}
	return answer.Summary{Outcome: a.lost.outcome, Reason: a.lost.reason}
}

// endOf is the account of a plan that the journal has as ended, or refused, and
// whose answer lacks its end.
func (a *Agent) endOf(id signing.ID) answer.Summary {
	for _, e := range a.journal.Entries() {
		switch {
		case e.Plan != id:
		case e.Verdict == journal.Refused:
			return answer.Summary{Outcome: answer.Refused, Reason: e.Code + ": " + e.Reason}
		case e.Outcome == answer.Partial.String():
			return answer.Summary{Outcome: answer.Partial, Reason: e.Reason}
		case e.Outcome == answer.Complete.String():
			return answer.Summary{Outcome: answer.Failed, Reason: errUnkept.Error()}
		case e.Reason != "":
			return answer.Summary{Outcome: answer.Failed, Reason: e.Reason}
		}
	}
	return a.cutShort()
}
