package yara

import (
	"slices"

	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// This file puts what was found into order, and joins the parts of strings
// between which long jumps lie.

// link brings the places of each string into the state of its first part.
func (r *run) link() {
	for _, p := range r.touched {
		r.sort(p)
	}
	for _, p := range r.touched {
		if p.last && len(p.str.parts) > 1 {
			r.linkChains(p.str)
		}
	}
	// A string whose later parts are nowhere is nowhere.
	for _, p := range r.touched {
		if s := p.str; len(s.parts) > 1 && p == s.parts[0] && !r.anyLast(s) {
			first := &r.parts[p.index]
			first.places, first.over, first.more = first.places[:0], false, false
		}
	}
}

func (r *run) anyLast(s *str) bool {
	return slices.ContainsFunc(s.parts, func(p *part) bool { return p.last && len(r.parts[p.index].places) > 0 })
}

// sort orders the places of a part; of those with one beginning the first
// found counts, or the last where the string is greedy.
func (r *run) sort(p *part) {
	s := &r.parts[p.index]
	if !s.loose {
		return
	}
	s.loose = false
	slices.SortStableFunc(s.places, func(x, y place) int {
		switch {
		case x.off < y.off:
			return -1
		case x.off > y.off:
			return 1
		}
		return 0
	})
	out := s.places[:0]
	for _, q := range s.places {
		if n := len(out); n > 0 && out[n-1].off == q.off {
			if q.rank < out[n-1].rank || q.rank == out[n-1].rank && p.str.greedy {
				out[n-1] = q
			}
			continue
		}
		out = append(out, q)
	}
	s.places = out
}

// linkChains finds for each place of the first part of each chain the nearest
// end, and leaves those that have one.
func (r *run) linkChains(s *str) {
	var all []place
	over, dead, more := false, false, false
	for i, p := range s.parts {
		if !p.last {
			continue
		}
		first := i
		for s.parts[first].prev != nil {
			first--
		}
		all = append(all, r.linkChain(s.parts[first:i+1])...)
		for _, q := range s.parts[first : i+1] {
			st := &r.parts[q.index]
			over, dead, more = over || st.over, dead || st.dead, more || st.more
		}
	}
	state := &r.parts[s.parts[0].index]
	if !slices.Contains(r.touched, s.parts[0]) {
		r.touched = append(r.touched, s.parts[0])
	}
	state.places, state.loose = all, true
	state.over, state.dead, state.more = over, dead, more
	r.sort(s.parts[0])
}

// linkChain joins the parts of one chain.
func (r *run) linkChain(parts []*part) []place {
	last := r.parts[parts[len(parts)-1].index].places
	ends := make([]int64, len(last)) // by place, the nearest end of the chain
	for i, p := range last {
		ends[i] = p.off + int64(p.n)
	}
	next := last
	for k := len(parts) - 2; k >= 0; k-- {
		here := r.parts[parts[k].index].places
		reach := nearest(here, next, ends, parts[k+1])
		next, ends = here, reach
	}
	var out []place
	for i, p := range next {
		if ends[i] >= 0 {
			p.n = int32(ends[i] - p.off)
			out = append(out, p)
		}
	}
	return out
}

// nearest gives, for each place, the least of the ends of those that lie
// behind it at the distance that a part asks for, or -1.
func nearest(here, next []place, ends []int64, p *part) []int64 {
	order := make([]int, len(here))
	for i := range order {
		order[i] = i
	}
	end := func(i int) int64 { return here[i].off + int64(here[i].n) }
	slices.SortStableFunc(order, func(a, b int) int { return int(min(1, max(-1, end(a)-end(b)))) })
	out := make([]int64, len(here))
	// queue holds the indexes of next within the distance whose ends rise.
	var queue []int
	in := 0
	for _, i := range order {
		lo := end(i) + int64(p.minGap)
		hi := int64(1)<<62 - 1
		if p.maxGap != pattern.Endless {
			hi = end(i) + int64(p.maxGap)
		}
		for ; in < len(next) && next[in].off <= hi; in++ {
			if ends[in] < 0 {
				continue
			}
			for len(queue) > 0 && ends[queue[len(queue)-1]] >= ends[in] {
				queue = queue[:len(queue)-1]
			}
			queue = append(queue, in)
		}
		for len(queue) > 0 && next[queue[0]].off < lo {
			queue = queue[1:]
		}
		out[i] = -1
		if len(queue) > 0 {
			out[i] = ends[queue[0]]
		}
	}
	return out
}
