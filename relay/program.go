package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const (
	// maxFetching is how many agents fetch a program at once: the rest come
	// again, and a fleet that upgrades leaves the line to those who ask.
	maxFetching = 64
	// pieceWithin is how long somebody who sends or takes a program may say
	// nothing.
	pieceWithin = 2 * time.Minute
)

// pieceKey is where the spine has a piece of a program.
func pieceKey(sum translog.Sum, index int64) string { return fmt.Sprintf("%s.%06d", sum, index) }

// piecesOf gives how many pieces a program has.
func piecesOf(f signing.File) int64 { return (f.Size + message.MaxPiece - 1) / message.MaxPiece }

// missing gives the programs that are to be sent.
func (r *Relay) missing(ctx context.Context, rel *signing.Release) (message.Missing, error) {
	var out message.Missing
	seen := map[translog.Sum]bool{}
	for _, f := range rel.Files {
		if seen[f.Sum] {
			continue
		}
		seen[f.Sum] = true
		have := int64(0)
		for ; have < piecesOf(f); have++ {
			_, _, err := r.spine.pieces.get(ctx, pieceKey(f.Sum, have))
			if errors.Is(err, jetstream.ErrKeyNotFound) {
				break
			}
			if err != nil {
				return out, err
			}
		}
		if have < piecesOf(f) {
			out.Programs = append(out.Programs, message.PieceQuery{Sum: f.Sum, Index: have})
		}
	}
	return out, nil
}

// takeProgram takes the pieces of a program from one on.
func (r *Relay) takeProgram(ctx context.Context, s *transport.Stream, rel *signing.Release, from message.PieceQuery) *message.Failure {
	f, _ := fileOf(rel, from.Sum)
	for i := from.Index; i < piecesOf(f); i++ {
		s.SetReadDeadline(time.Now().Add(pieceWithin))
		b, failure := take(s, message.TypePiece)
		if failure != nil {
			return failure
		}
		if want := min(message.MaxPiece, f.Size-i*message.MaxPiece); int64(len(b)) != want {
			return &message.Failure{Code: message.FailBad, Reason: fmt.Sprintf("piece %d of the program for %s has %d bytes, and %d were due", i, f.System(), len(b), want)}
		}
		if _, err := r.spine.pieces.put(ctx, pieceKey(f.Sum, i), b); err != nil {
			return storeFailure(err)
		}
	}
	return nil
}

func fileOf(rel *signing.Release, sum translog.Sum) (signing.File, bool) {
	for _, f := range rel.Files {
		if f.Sum == sum {
			return f, true
		}
	}
	return signing.File{}, false
}

// checkProgram reads a program back: one that is not what was signed is
// forgotten, so that it can be sent again.
func (r *Relay) checkProgram(ctx context.Context, f signing.File) *message.Failure {
	sum := sha256.New()
	for i := range piecesOf(f) {
		b, _, err := r.spine.pieces.get(ctx, pieceKey(f.Sum, i))
		if err != nil {
			return storeFailure(err)
		}
		sum.Write(b)
	}
	got := translog.Sum(sum.Sum(nil))
	if got == f.Sum {
		return nil
	}
	if err := r.forgetProgram(ctx, f); err != nil {
		return storeFailure(err)
	}
	return &message.Failure{Code: message.FailBad, Reason: fmt.Sprintf("the program for %s has SHA-256 %s, and %s was signed", f.System(), got, f.Sum)}
}

func (r *Relay) forgetProgram(ctx context.Context, f signing.File) error {
	for i := range piecesOf(f) {
		if err := r.spine.pieces.Purge(ctx, pieceKey(f.Sum, i)); err != nil {
			return err
		}
	}
	return nil
}

// forgetPrograms forgets the programs of a release that no other has.
func (r *Relay) forgetPrograms(ctx context.Context, rel *signing.Release) error {
	r.mu.Lock()
	used := map[translog.Sum]bool{}
	for _, other := range r.releases {
		for _, f := range other.payload.Files {
			used[f.Sum] = true
		}
	}
	r.mu.Unlock()
	for _, f := range rel.Files {
		if used[f.Sum] {
			continue
		}
		if err := r.forgetProgram(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// serveProgram gives an agent pieces of a program, as it asks for them.
func (r *Relay) serveProgram(ctx context.Context, s *transport.Stream) {
	defer s.Close()
	if !r.fetching.TryAcquire(1) {
		fail(s, message.FailLimit, fmt.Sprintf("%d agents fetch programs at this moment; try again", maxFetching))
		return
	}
	defer r.fetching.Release(1)
	for {
		s.SetReadDeadline(time.Now().Add(pieceWithin))
		body, err := readAs(s, message.TypePieceAsk)
		if err != nil {
			return
		}
		var q message.PieceQuery
		if err := message.Unmarshal(body, &q); err != nil {
			fail(s, message.FailBad, err.Error())
			return
		}
		b, failure := r.piece(ctx, q)
		if failure != nil {
			fail(s, failure.Code, failure.Reason)
			return
		}
		if s.WriteFrame(message.TypePiece, b) != nil {
			return
		}
	}
}

// piece gives a piece of a program of a release that is complete.
func (r *Relay) piece(ctx context.Context, q message.PieceQuery) ([]byte, *message.Failure) {
	known := false
	r.mu.Lock()
	for _, rel := range r.releases {
		if f, ok := fileOf(rel.payload, q.Sum); ok && rel.record.Complete && q.Index >= 0 && q.Index < piecesOf(f) {
			known = true
		}
	}
	r.mu.Unlock()
	if !known {
		return nil, &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("no release here has piece %d of program %s", q.Index, q.Sum)}
	}
	b, _, err := r.spine.pieces.get(ctx, pieceKey(q.Sum, q.Index))
	if err != nil {
		return nil, storeFailure(err)
	}
	return b, nil
}
