package relay

// EndSpine ends the spine as it ends itself when its disk is full.
func (r *Relay) EndSpine() error { return r.spine.server.DisableJetStream() }
