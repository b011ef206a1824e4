package engine

import "sync"

// Bounds of what waits for the reader, the batch that he has in hand not
// counted. When one is reached the scan waits: a slow reader slows the scan
// and nothing grows. A row that is larger than the second passes alone.
const (
	queueRows  = 512
	queueBytes = 4 << 20
)

// A queue hands rows from the goroutines of scans to the one that reads them,
// in as large a batch as has gathered since it last came.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	rows    []Row
	bytes   int64
	closed  bool // no further row comes
	stopped bool // nobody reads
}

func newQueue() *queue {
	q := &queue{}
	q.changed.L = &q.mu
	return q
}

// put adds a row, waiting for room. It says no when nobody reads any more.
func (q *queue) put(row Row, size int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.stopped && len(q.rows) > 0 && (len(q.rows) >= queueRows || q.bytes+size > queueBytes) {
		q.changed.Wait()
	}
	if q.stopped {
		return false
	}
	q.rows = append(q.rows, row)
	q.bytes += size
	if len(q.rows) == 1 {
		q.changed.Broadcast()
	}
	return true
}

// take gives what has gathered, waiting for the first row; empty tells that
// there are no more. The batch of the last call is used again.
func (q *queue) take(last []Row) []Row {
	clear(last)
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.rows) == 0 && !q.closed {
		q.changed.Wait()
	}
	batch := q.rows
	q.rows, q.bytes = last[:0], 0
	q.changed.Broadcast()
	return batch
}

// close says that no further row comes: the run calls it when its scans have
// ended, and nobody else.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.changed.Broadcast()
	q.mu.Unlock()
}

// stop says that nobody reads any more, so that nobody waits for room.
func (q *queue) stop() {
	q.mu.Lock()
	q.stopped = true
	q.changed.Broadcast()
	q.mu.Unlock()
}
