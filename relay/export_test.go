package relay

import (
	"context"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// EndSpine ends the spine as it ends itself when its disk is full.
func (r *Relay) EndSpine() error { return r.spine.server.DisableJetStream() }

// PutChunk has the spine keep a chunk, as one that a relay gave it whose answer
// it did not hear.
func (r *Relay) PutChunk(ctx context.Context, plan, agent message.ID, body []byte) error {
	_, err := r.spine.js.Publish(ctx, subjectOf(plan, agent), body)
	return err
}
