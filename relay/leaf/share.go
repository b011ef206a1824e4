package leaf

import (
	"errors"
	"fmt"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what one agent may have wait, so that it leaves room for others.
const (
	// maxAnswers is how many answers, as many as an agent itself holds.
	maxAnswers = 1024
	// shareOf is of how many bytes it may have one, where that is more than
	// minShare bytes.
	shareOf  = 4
	minShare = 16 << 20
)

// errFlood says that an agent does more than any agent needs, and errFull that
// there is no room for a chunk.
var (
	errFlood = errors.New("too many answers at once")
	errFull  = errors.New("there is no room")
)

// A share is what a spool holds of one agent.
type share struct {
	answers int
	bytes   int64
	// refused are the answers of which a chunk was not taken, and which: what the
	// agent sent behind it is not taken either, or a gap would be acknowledged.
	// An agent that comes anew sends from that chunk on.
	refused map[message.ID]uint32
}

// share gives that of an agent; mu is held.
func (s *spool) share(agent message.ID) *share {
	h := s.shares[agent]
	if h == nil {
		h = &share{refused: map[message.ID]uint32{}}
		s.shares[agent] = h
	}
	return h
}

// tidy forgets a share in which nothing is; mu is held.
func (s *spool) tidy(agent message.ID) {
	if h := s.shares[agent]; h != nil && h.answers == 0 && len(h.refused) == 0 {
		delete(s.shares, agent)
	}
}

// room says why there is none for a chunk; fresh is that it begins an answer.
// mu is held.
func (s *spool) room(h *share, size int64, fresh bool) error {
	mine := max(s.limit/shareOf, minShare)
	switch {
	case s.bytes+size > s.limit:
		return fmt.Errorf("%w: %d bytes wait for the centre, and keep_bytes allows %d", errFull, s.bytes, s.limit)
	case h.bytes+size > mine:
		return fmt.Errorf("%w: %d bytes of this agent wait for the centre, and its share of keep_bytes is %d", errFull, h.bytes, mine)
	case fresh && h.answers >= maxAnswers:
		return fmt.Errorf("%w: %d answers of this agent wait for the centre, and no more are held", errFull, h.answers)
	}
	return nil
}

// refuse notes that the chunk of an answer that is next was not taken, and why;
// mu is held.
func (h *share) refuse(plan message.ID, next uint32, why error) error {
	if _, was := h.refused[plan]; !was && len(h.refused) >= maxAnswers {
		return fmt.Errorf("%w: %w", errFlood, why)
	}
	h.refused[plan] = next
	return why
}

// left forgets what was not taken of an agent that is here no more.
func (s *spool) left(agent message.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.shares[agent]; h != nil {
		clear(h.refused)
		s.tidy(agent)
	}
}
