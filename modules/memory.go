package modules

import "sync"

// A Memory keeps what the scans of one run have in common, such as an index
// that is dear to make and is asked once for each row. A nil Memory keeps
// nothing. Its method may be called from several goroutines.
type Memory struct {
	mu   sync.Mutex
	kept map[any]*kept
}

type kept struct {
	once sync.Once
	what any
}

// Get gives what stands under a key, which the first who asks makes while
// others wait. Keys are of a type of the package that uses them.
func (m *Memory) Get(key any, made func() any) any {
	if m == nil {
		return made()
	}
	m.mu.Lock()
	if m.kept == nil {
		m.kept = map[any]*kept{}
	}
	k := m.kept[key]
	if k == nil {
		k = &kept{}
		m.kept[key] = k
	}
	m.mu.Unlock()
	k.once.Do(func() { k.what = made() })
	return k.what
}
