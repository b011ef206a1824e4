package relay

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A factTable holds what the agents of a fleet say of themselves, each value
// once, however many agents share it: of thirty facts of a host twenty are
// those of a thousand others. It is not safe for concurrent use.
type factTable struct {
	names map[string]uint32 // from 0, never forgotten: hosts have the same
	ids   map[string]uint32 // of a name and a value, in their wire form
	facts []sharedFact      // by id
	free  []uint32          // ids that nobody has
}

// A sharedFact is a value and how many agents have it.
type sharedFact struct {
	key  string
	v    value.Value
	uses int
}

// factSet is what one agent says, in the order of the names.
type factSet []factRef

type factRef struct{ name, id uint32 }

func newFactTable() *factTable {
	return &factTable{names: map[string]uint32{}, ids: map[string]uint32{}}
}

// add takes an agent's facts; drop lets them go.
func (t *factTable) add(f plan.Facts) factSet {
	s := make(factSet, 0, len(f))
	var key []byte
	for text, v := range f {
		name, ok := t.names[text]
		if !ok {
			name = uint32(len(t.names))
			t.names[text] = name
		}
		key = value.AppendBinary(binary.BigEndian.AppendUint32(key[:0], name), v)
		id, ok := t.ids[string(key)]
		if !ok {
			id = t.fresh()
			t.facts[id] = sharedFact{key: string(key), v: v.Clone()}
			t.ids[t.facts[id].key] = id
		}
		t.facts[id].uses++
		s = append(s, factRef{name, id})
	}
	slices.SortFunc(s, func(a, b factRef) int { return cmp.Compare(a.name, b.name) })
	return s
}

func (t *factTable) fresh() uint32 {
	if n := len(t.free); n > 0 {
		id := t.free[n-1]
		t.free = t.free[:n-1]
		return id
	}
	t.facts = append(t.facts, sharedFact{})
	return uint32(len(t.facts) - 1)
}

func (t *factTable) drop(s factSet) {
	for _, f := range s {
		shared := &t.facts[f.id]
		if shared.uses--; shared.uses == 0 {
			delete(t.ids, shared.key)
			*shared = sharedFact{}
			t.free = append(t.free, f.id)
		}
	}
}

// get gives a fact of an agent, if it is known.
func (t *factTable) get(s factSet, name string) (value.Value, bool) {
	if id, ok := t.find(s, name); ok {
		return t.facts[id].v, true
	}
	return value.Value{}, false
}

func (t *factTable) find(s factSet, text string) (id uint32, ok bool) {
	name, ok := t.names[text]
	if !ok {
		return 0, false
	}
	return s.at(name)
}

// at gives the id of the value that stands under a name.
func (s factSet) at(name uint32) (id uint32, ok bool) {
	i, ok := slices.BinarySearchFunc(s, name, func(f factRef, name uint32) int { return cmp.Compare(f.name, name) })
	if !ok {
		return 0, false
	}
	return s[i].id, true
}

// A matcher says which agents a plan's target is true of, at one moment. It
// asks the target once for each combination of the values that it speaks of:
// ten thousand agents have a dozen of `os` and `tags.ring`.
type matcher struct {
	table *factTable
	plan  *plan.Plan
	names []uint32 // of the facts that the plan speaks of, in its order
	now   time.Time
	known map[string]bool // by the ids of the values, and the software
	key   []byte
}

func (t *factTable) matcher(p *plan.Plan, now time.Time) *matcher {
	m := &matcher{table: t, plan: p, now: now, known: map[string]bool{}}
	for _, text := range p.Facts {
		name, ok := t.names[text]
		if !ok {
			name = nobodys
		}
		m.names = append(m.names, name)
	}
	return m
}

// nobodys is the number of a name that no agent has a fact of.
const nobodys = math.MaxUint32

// Facts that are not the agent's word but the relay's.
const (
	factLastSeen = "last_seen"
	factVersion  = "agent_version"
)

// meets says whether the target is true of a connected agent of that software.
func (m *matcher) meets(s factSet, software string) bool {
	m.key = m.key[:0]
	for i, text := range m.plan.Facts {
		switch text {
		case factLastSeen: // the same for all: now
		case factVersion:
			m.key = append(binary.AppendUvarint(m.key, uint64(len(software))), software...)
		default:
			have := uint64(0)
			if id, ok := s.at(m.names[i]); ok {
				have = uint64(id) + 1
			}
			m.key = binary.AppendUvarint(m.key, have)
		}
	}
	meets, ok := m.known[string(m.key)]
	if !ok {
		meets = m.ask(s, software)
		m.known[string(m.key)] = meets
	}
	return meets
}

func (m *matcher) ask(s factSet, software string) bool {
	facts := plan.Facts{}
	for _, name := range m.plan.Facts {
		if v, ok := m.table.get(s, name); ok {
			facts[name] = v
		}
	}
	facts[factLastSeen] = value.NewTime(m.now)
	facts[factVersion] = value.NewVersion(software, value.Semver)
	truth, err := m.plan.Meets(facts, m.now)
	return err == nil && truth == value.True
}
