package pattern

// chainGap is the jump, in bytes, from which on a pattern is taken apart:
// what is nearer is found faster in one go.
const chainGap = 200

// A Piece is a part of a pattern that is sought by itself. Between it and the
// one before lie MinGap to MaxGap bytes, of which MaxGap may be Endless.
type Piece struct {
	Node           *Node
	MinGap, MaxGap int
}

// Split takes a pattern apart at its long jumps.
func Split(n *Node) []Piece {
	if n.Op != Concat {
		return []Piece{{Node: n}}
	}
	var pieces []Piece
	var run []*Node
	gap := Piece{}
	for i, sub := range n.Subs {
		if len(run) > 0 && i < len(n.Subs)-1 && isLongJump(sub) {
			gap.Node = concat(run...)
			pieces = append(pieces, gap)
			gap, run = Piece{MinGap: sub.Min, MaxGap: sub.Max}, nil
			continue
		}
		run = append(run, sub)
	}
	gap.Node = concat(run...)
	return append(pieces, gap)
}

func isLongJump(n *Node) bool {
	return n.Op == Repeat && n.Jump && n.Lazy && n.Subs[0].Op == Byte && n.Subs[0].Set == all() &&
		(n.Max == Endless || n.Max > chainGap)
}
