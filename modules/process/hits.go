package process

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
)

const (
	// overlap is how much of what was read is kept, so that a match is seen
	// whole wherever the chunks were cut. One of an expression that is longer
	// than this may be shown shorter than it is.
	overlap = search.MaxLiteral
	// defaultContext is how much is shown around a match, in bytes, where the
	// query sets nothing.
	defaultContext = 64
)

// A hit is the match that a row speaks of while it is shown.
type hit struct {
	known   bool
	address uint64
	context string
	match   []byte
}

// A place is a match in a window.
type place struct{ start, end int }

// A window is what is looked at while matches are shown.
type window struct {
	row   *memoryRow
	bytes []byte
	at    uint64 // the address of bytes[0]
	from  int    // matches that begin before were shown
	yield func(modules.Row) error
	err   error
}

// Lines implements modules.Liner: it calls yield once for each match of a
// question that is to be shown, in the order of addresses.
func (r *memoryRow) Lines(ctx context.Context, yield func(modules.Row) error) error {
	if r.ruled {
		if !r.asked {
			if err := r.pass(ctx); err != nil {
				return err
			}
		}
		return r.rules.Shown(func() error { return yield(r) })
	}
	w := &window{row: r, yield: yield}
	defer func() { r.hit.known = false }()
	_, err := r.read(ctx, w.add, func() bool {
		stop := w.show(len(w.bytes))
		w.bytes, w.from = w.bytes[:0], 0
		return stop
	})
	if w.err != nil {
		return w.err
	}
	return err
}

// add takes the next chunk, and shows the matches that are whole for sure.
func (w *window) add(at uint64, b []byte) bool {
	if len(w.bytes) == 0 {
		w.at = at
	}
	w.bytes = append(w.bytes, b...)
	if len(w.bytes) < 2*overlap {
		return false
	}
	stop := w.show(len(w.bytes) - overlap)
	// Something is kept before what is still to be shown, too: its context.
	keep := max(0, w.from-w.row.around())
	w.bytes = append(w.bytes[:0], w.bytes[keep:]...)
	w.at += uint64(keep)
	w.from -= keep
	return stop
}

// around is how much is shown before and behind a match.
func (r *memoryRow) around() int {
	if n := r.req.Settings.Context; n > 0 {
		return min(n, overlap) / 2
	}
	return defaultContext / 2
}

// show shows the matches that begin before until.
func (w *window) show(until int) (stop bool) {
	var places []place
	for q, question := range w.row.req.Questions {
		pattern := w.row.pattern[q]
		if !question.Show || pattern < 0 {
			continue
		}
		w.row.scanner.Matches(pattern, w.bytes[w.from:], func(start, end int) bool {
			if start+w.from >= until {
				return false
			}
			places = append(places, place{start + w.from, end + w.from})
			return true
		})
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	w.from = until
	for _, p := range slices.Compact(places) {
		w.row.hit = w.hit(p)
		if w.err = w.yield(w.row); w.err != nil {
			return true
		}
		w.from = max(w.from, p.end)
	}
	w.from = min(w.from, len(w.bytes))
	return false
}

func (w *window) hit(p place) hit {
	n := w.row.around()
	match := w.bytes[p.start:min(p.end, p.start+2*n)]
	around := w.bytes[max(0, p.start-n):min(len(w.bytes), p.end+n, p.start+3*n)]
	return hit{known: true, address: w.at + uint64(p.start), match: bytes.Clone(match), context: printable(around)}
}

// printable shows what is not a printable character of ASCII as a dot, as
// memory is shown everywhere.
func printable(b []byte) string {
	text := bytes.Clone(b)
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '.'
		}
	}
	return string(text)
}
