package leaf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// dirDamaged has what could not be read of answers: PLAN.AGENT.OFFSET, of the
// file from there on, and PLAN.AGENT.unread, a file that the disk does not give
// to the end.
const (
	dirDamaged = "damaged"
	unread     = ".unread"
)

// searchStep is how much of a file is searched at once, in bytes.
const searchStep = 1 << 20

// cutRest deals with what stands in the file of an answer behind the chunks that
// could be read. The last record may have been torn when the machine lost power:
// that was never acknowledged. Anything else was, and is set aside and said.
func (s *spool) cutRest(k key, f *os.File, h *held) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	rest := info.Size() - h.size
	if rest <= 0 {
		return nil
	}
	torn, err := isTorn(k, f, h.size, info.Size())
	if err != nil {
		return err
	}
	if torn {
		s.log.Warn("the end of an answer was not written whole; it was not acknowledged", "plan", k.plan, "agent", k.agent, "bytes", rest)
	} else {
		name := filepath.Join(s.dir, dirDamaged, fmt.Sprintf("%s.%d", k.name(), h.size))
		if err := setAside(name, io.NewSectionReader(f, h.size, rest)); err != nil {
			return fmt.Errorf("set aside what is damaged of plan %s, agent %s: %w", k.plan, k.agent, err)
		}
		s.meters.damaged.Inc()
		s.log.Error("chunks that were acknowledged cannot be read: the answer will not be whole", "plan", k.plan, "agent", k.agent, "bytes", rest, "kept", name)
	}
	return f.Truncate(h.size)
}

// giveUp sets the file of an answer aside that the disk does not give to the
// end. What it gave before that is sent: h has it.
func (s *spool) giveUp(k key, h *held, why error) error {
	name := filepath.Join(s.dir, dirDamaged, k.name()+unread)
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.Rename(s.path(k), name)
	}
	if err == nil && h.size > 0 {
		if err = s.copyFront(k, name, h.size); err != nil {
			err = errors.Join(err, os.Rename(name, s.path(k))) // for the next start
		}
	}
	if err != nil {
		return fmt.Errorf("set aside what cannot be read of plan %s, agent %s: %w", k.plan, k.agent, errors.Join(why, err))
	}
	s.meters.damaged.Inc()
	s.log.Error("a file of chunks that were acknowledged cannot be read: the answer will not be whole", "plan", k.plan, "agent", k.agent, "why", why, "kept", name)
	return nil
}

// copyFront makes the file of an answer anew, of the front of another one.
func (s *spool) copyFront(k key, name string, size int64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return setAside(s.path(k), io.NewSectionReader(f, 0, size))
}

// setAside writes a file that is on the disk when it returns.
func setAside(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return wholefile.Fill(name, 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// isTorn says whether what stands from at to the end of a file is one record
// that was being written. Each is on the disk before the next is begun, so that
// it is not where the record ends before the file does, where the head is of no
// record, or where a whole one follows.
func isTorn(k key, f io.ReaderAt, at, end int64) (bool, error) {
	empty, err := isZero(io.NewSectionReader(f, at, end-at))
	if empty || err != nil {
		return empty, err // the file had grown, and nothing was written
	}
	if end-at < recordHead {
		return true, nil
	}
	var head [recordHead]byte
	if _, err := f.ReadAt(head[:], at); err != nil {
		return false, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > int64(message.Limit(message.TypeChunk)) || at+recordHead+n < end {
		return false, nil
	}
	if _, _, err := readRecord(f, at); err == nil {
		return false, nil // whole, and not the one that is next
	}
	follows, err := wholeAfter(k, f, at, end)
	return !follows, err
}

// isZero says whether there is nothing but zeros.
func isZero(r io.Reader) (bool, error) {
	b := make([]byte, searchStep)
	for {
		n, err := r.Read(b)
		if len(bytes.Trim(b[:n], "\x00")) > 0 {
			return false, nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return true, nil
			}
			return false, err
		}
	}
}

// wholeAfter says whether a whole record of an answer begins behind a place.
// Each begins with the agent and the plan, behind its head.
func wholeAfter(k key, f io.ReaderAt, at, end int64) (bool, error) {
	names := slices.Concat(k.agent[:], k.plan[:])
	b := make([]byte, searchStep+len(names))
	for from := at + recordHead + 1; from < end; from += searchStep {
		n, err := f.ReadAt(b[:min(int64(len(b)), end-from)], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		for i := 0; ; i++ {
			j := bytes.Index(b[i:n], names)
			if j < 0 {
				break
			}
			i += j
			c, _, err := readRecord(f, from+int64(i)-recordHead)
			if err == nil && c.Plan == k.plan && c.Agent == k.agent {
				return true, nil
			}
			if err != nil && !errors.Is(err, errRecord) {
				return false, err
			}
		}
	}
	return false, nil
}
