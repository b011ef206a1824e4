package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// The chunks of an answer stand on the spine under one subject.

func subjectPrefix(plan message.ID) string { return "answer." + plan.String() + "." }

func subjectOf(plan, agent message.ID) string { return subjectPrefix(plan) + agent.String() }

// mend finds out what the spine has of an answer that is torn, when nothing of
// it is on its way any more. What continues it counts as stored, in whatever
// order it stands there; what stands behind a gap is taken back, since an agent
// that was started anew goes on with other bytes.
func (r *Relay) mend(plan, agent message.ID) error {
	r.mending.Lock()
	defer r.mending.Unlock()
	r.mu.Lock()
	p := r.plans[plan]
	if p == nil || p.agents[agent] == nil || !p.agents[agent].torn || p.agents[agent].flying > 0 {
		r.mu.Unlock()
		return nil
	}
	d := p.agents[agent]
	next, last := d.next, d.last
	r.mu.Unlock()
	found, last, err := r.spine.behind(subjectOf(plan, agent), last)
	if err != nil {
		return err
	}
	line, strays := inLine(found, next)
	if err := r.spine.remove(strays); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range line {
		p.takeIn(agent, c.size, c.final)
	}
	if d.removed == nil && len(strays) > 0 {
		d.removed = map[uint64]bool{}
	}
	for _, number := range strays {
		d.removed[number] = true
	}
	d.torn, d.last, d.ahead = false, last, d.next
	return nil
}

// mendOpen mends the answers that an agent has not delivered in full.
func (r *Relay) mendOpen(agent message.ID, open []message.Open) error {
	for _, o := range open {
		if err := r.mend(o.Plan, agent); err != nil {
			return err
		}
	}
	return nil
}

// A keptChunk is one that the spine has, under its number there.
type keptChunk struct {
	number uint64
	seq    uint32
	size   int64
	final  bool
}

// inLine gives the chunks that continue an answer from next, and the numbers of
// those that do not. One that stands there twice counts once, and stays.
func inLine(found []keptChunk, next uint32) (line []keptChunk, strays []uint64) {
	at := map[uint32]keptChunk{}
	for _, c := range found {
		if _, ok := at[c.seq]; !ok {
			at[c.seq] = c
		}
	}
	end := next
	for c, ok := at[end]; ok; c, ok = at[end] {
		line = append(line, c)
		if end++; c.final {
			break
		}
	}
	for _, c := range found {
		if c.seq >= end {
			strays = append(strays, c.number)
		}
	}
	return line, strays
}

// behind reads the chunks of a subject behind a number, and gives the number of
// the last.
func (s *spine) behind(subject string, number uint64) (found []keptChunk, last uint64, err error) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), spineTimeout)
		msg, err := s.answers.GetMsg(ctx, number+1, jetstream.WithGetMsgSubject(subject))
		cancel()
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return found, number, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("the chunks of %s: %w", subject, err)
		}
		number = msg.Sequence
		c, err := message.DecodeChunk(msg.Data)
		if err != nil {
			return nil, 0, fmt.Errorf("the chunks of %s: %w", subject, err)
		}
		found = append(found, keptChunk{number, c.Seq, int64(len(c.Data)), c.Final})
	}
}

// remove takes messages of answers back.
func (s *spine) remove(numbers []uint64) error {
	for _, n := range numbers {
		ctx, cancel := context.WithTimeout(context.Background(), spineTimeout)
		err := s.answers.DeleteMsg(ctx, n)
		cancel()
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("taking back a chunk: %w", err)
		}
	}
	return nil
}
