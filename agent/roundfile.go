package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/engine/rounds"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
)

// roundMagic begins the file of a plan's last round: then its number, its
// time, the number of the chunk that is next, and that of the rows that were
// told until then, as varints, and the rows of the round as package rounds
// writes them; in the end the CRC-32C of all of it, 4 bytes,
// the largest first. Rows are told as new and gone by this file: one byte that
// the disk has changed would be told, too.
const roundMagic = "QSR3"

// errRoundLost says that the file of a round is not what was written.
var errRoundLost = errors.New("its file is damaged")

// A roundFile is what is kept of a plan's last round.
type roundFile struct {
	number int
	began  time.Time
	next   uint64 // the chunk of the answer that follows
	told   uint64 // rows, by all rounds
	rows   []byte
}

func (f *roundFile) encode() []byte {
	b := binary.AppendUvarint([]byte(roundMagic), uint64(f.number))
	b = binary.AppendVarint(b, f.began.UnixNano())
	b = binary.AppendUvarint(binary.AppendUvarint(b, f.next), f.told)
	b = append(b, f.rows...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeRoundFile reads what encode wrote. The error wraps errRoundLost.
func decodeRoundFile(text []byte) (*roundFile, error) {
	body, sum := text[:max(len(text)-crc32.Size, 0)], text[max(len(text)-crc32.Size, 0):]
	rest, ok := strings.CutPrefix(string(body), roundMagic)
	if !ok || binary.BigEndian.Uint32(sum) != crc32.Checksum(body, castagnoli) {
		return nil, errRoundLost
	}
	b := []byte(rest)
	number, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, fmt.Errorf("%w: no number", errRoundLost)
	}
	began, m := binary.Varint(b[n:])
	if m <= 0 {
		return nil, fmt.Errorf("%w: no time", errRoundLost)
	}
	next, k := binary.Uvarint(b[n+m:])
	if k <= 0 {
		return nil, fmt.Errorf("%w: no chunk", errRoundLost)
	}
	told, l := binary.Uvarint(b[n+m+k:])
	if l <= 0 || told > math.MaxInt64 {
		return nil, fmt.Errorf("%w: no count", errRoundLost)
	}
	return &roundFile{number: int(number), began: time.Unix(0, began), next: next, told: told, rows: b[n+m+k+l:]}, nil
}

// keepRound keeps the rows of a round for a later life.
func (a *Agent) keepRound(s *standing) {
	f := roundFile{number: s.number, began: s.began, next: uint64(s.out.following()), told: uint64(s.w.told()), rows: s.state.Append(nil)}
	if err := wholefile.Put(a.standingFile(s.permit.payload.ID, stateExt), 0o600, f.encode()); err != nil {
		a.log.Error("the rows of a plan that stands cannot be kept", "plan", s.permit.payload.ID, "error", err)
	}
	a.log.Info("round done", "plan", s.permit.payload.ID, "round", s.number, "rows", f.told)
}

// recall reads what keepRound wrote. Where it is lost, or the relay has
// another part of the answer than it speaks of, nothing is known of the rows.
func (a *Agent) recall(s *standing) {
	s.state, s.unsure = rounds.Forgotten(s.shapes, standingBytes), true
	text, err := os.ReadFile(a.standingFile(s.permit.payload.ID, stateExt))
	if errors.Is(err, fs.ErrNotExist) && s.out.following() == 0 {
		s.state, s.unsure = rounds.NewState(s.shapes, standingBytes), false // nothing was told yet
		return
	}
	var f *roundFile
	if err == nil {
		f, err = decodeRoundFile(text)
	}
	if err == nil {
		s.number, s.began = f.number, f.began
		s.w.rows = int64(f.told) // at least
		if f.next != uint64(s.out.following()) {
			return
		}
		var state *rounds.State
		if state, err = rounds.Resume(s.shapes, standingBytes, f.rows); err == nil {
			s.state, s.unsure = state, false
			return
		}
	}
	a.log.Warn("the rows of a plan that stands are lost", "plan", s.permit.payload.ID, "error", err)
}
