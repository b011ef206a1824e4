package agent

import (
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// welcomed notes that a relay knows this program: starts are counted no more.
func (a *Agent) welcomed() {
	if a.onTrial() {
		return
	}
	if err := a.upgrade.store.Well(); err != nil {
		a.log.Error("upgrades", "error", err)
	}
}

// endsInOrder notes that this program was told to end, and did not die.
func (a *Agent) endsInOrder() { a.welcomed() }

// sayWell has the relay hear a program that is tried, by the agent's own key.
func (s *session) sayWell() {
	a := s.agent
	if !a.onTrial() {
		return
	}
	st := signing.NewStatement(a.id, message.KindWell, a.opts.Now(), message.Marshal(message.Well{Release: a.opts.Software})).Encode()
	s.mu.Lock()
	told := s.knows // the log says why not
	s.well = translog.SumOf(st)
	s.mu.Unlock()
	if !told {
		return
	}
	if err := s.stream.WriteFrame(message.TypeWell, st); err != nil {
		s.end(err)
	}
}

// heardWell takes the relay's word that it has heard what was said.
func (s *session) heardWell(body []byte) {
	a := s.agent
	var sum translog.Sum
	err := message.Unmarshal(body, &sum)
	s.mu.Lock()
	same := err == nil && s.well != translog.Sum{} && sum == s.well
	s.mu.Unlock()
	if !same || !a.onTrial() {
		a.log.Debug("the relay hears what was not said") // as often as it likes
		return
	}
	a.upgrade.heard.Do(a.opts.Well)
}
