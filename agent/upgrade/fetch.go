package upgrade

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/quaestor-engine/quaestor/internal/room"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// PieceSize is how many bytes of a program are fetched at once: little to lose
// when the line breaks, and not many questions.
const PieceSize = 1 << 20

// spare is what stays free on the disk, in bytes, beside the program: agents
// are guests.
const spare = 64 << 20

// Pieces gives a piece of a program, from 0: PieceSize bytes, the last one the
// rest.
type Pieces func(ctx context.Context, index int64) ([]byte, error)

// Fetch brings a program into the folder, from where an earlier attempt ended.
// What comes is hashed while it is written, and nothing else than what was
// signed gets the name of a program. The error wraps ErrRoom, ErrShort or
// ErrHash, or is what next said; what has come is kept but for ErrHash.
func (s *Store) Fetch(ctx context.Context, p Program, next Pieces) error {
	if s.holds(p) {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	part := s.Path(p.Release) + partExt
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	err = s.fill(ctx, f, p, next)
	if err = errors.Join(err, f.Close()); err != nil {
		if errors.Is(err, ErrHash) {
			err = errors.Join(err, os.Remove(part))
		}
		return err
	}
	if err := os.Chmod(part, 0o700); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if err := os.Rename(part, s.Path(p.Release)); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return wholefile.Sync(s.dir)
}

// fill fetches what is not in the file yet.
func (s *Store) fill(ctx context.Context, f *os.File, p Program, next Pieces) error {
	sum := sha256.New()
	have, err := resume(f, p.Size, sum)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if d, err := room.Of(filepath.Dir(f.Name())); err == nil && d.Free < uint64(p.Size-have)+spare {
		return fmt.Errorf("%w: %d bytes are to come, and of %d that are free %d stay so", ErrRoom, p.Size-have, d.Free, spare)
	}
	for have < p.Size {
		if err := ctx.Err(); err != nil {
			return err
		}
		want := min(PieceSize, p.Size-have)
		b, err := next(ctx, have/PieceSize)
		if err != nil {
			return err
		}
		if int64(len(b)) != want {
			return fmt.Errorf("%w: %d bytes, and %d were due", ErrShort, len(b), want)
		}
		if _, err := f.Write(b); err != nil {
			if isFull(err) {
				return fmt.Errorf("%w: %w", ErrRoom, err)
			}
			return fmt.Errorf("upgrade: %w", err)
		}
		sum.Write(b)
		have += want
	}
	if got := translog.Sum(sum.Sum(nil)); got != p.Sum {
		return fmt.Errorf("%w: SHA-256 %s, and %s was signed", ErrHash, got, p.Sum)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return nil
}

// resume hashes what an earlier attempt wrote in whole pieces, and cuts the
// rest.
func resume(f *os.File, size int64, sum hash.Hash) (have int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if have = info.Size(); have > size {
		have = 0 // it is not ours
	}
	if have < size {
		have -= have % PieceSize
	}
	if err := f.Truncate(have); err != nil {
		return 0, err
	}
	_, err = io.Copy(sum, f)
	return have, err
}

// holds says whether the program is in the folder, whole.
func (s *Store) holds(p Program) bool {
	f, err := os.Open(s.Path(p.Release))
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, p.Size+1))
	return err == nil && n == p.Size && bytes.Equal(sum.Sum(nil), p.Sum[:])
}
