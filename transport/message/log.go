package message

import "github.com/quaestor-engine/quaestor/signing/translog"

// A Witness is what a witness says: who he is, how much of the log he has seen,
// and a checkpoint that he signed, if he did. The relay answers each with a
// translog.Head that he has not signed, when there is one; one without a
// checkpoint means that there was none for a while.
type Witness struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Cosigned []byte `json:"cosigned,omitempty"`
	Once     bool   `json:"once,omitempty"` // do not wait
}

// A LogQuery says what somebody wants of the log.
type LogQuery struct {
	Sum  translog.Sum  `json:"sum"`            // of an envelope
	From int64         `json:"from,omitempty"` // the entries that were seen before
	Tile translog.Tile `json:"tile,omitzero"`
}
