package client

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// Lists travel for whoever compiles a query again: co-signers, who must find
// the plan that is signed. The values of most lists stand in the plan already,
// as a set, and a hundred thousand hashes twice would be a third of a message;
// such a list is sent as the number of its set.

// smallList is up to which size, in bytes, a list is sent as it is.
const smallList = 4 << 10

// shortLists gives the lists of a query, those that are sets of the plan as
// their numbers.
func shortLists(lists []quaestor.List, p *plan.Plan) []signing.List {
	var out []signing.List
	for _, l := range lists {
		if k := setOf(l, p); k >= 0 {
			out = append(out, signing.List{Name: l.Name, Set: k + 1})
		} else {
			out = append(out, signing.List{Name: l.Name, Data: l.Data})
		}
	}
	return out
}

func setOf(l quaestor.List, p *plan.Plan) int {
	if len(l.Data) <= smallList {
		return -1
	}
	return slices.IndexFunc(p.Sets, func(s *plan.Set) bool { return s.Name == "@"+l.Name && listOf(s) != nil })
}

// listOf writes a set as a list, one value a line; nil where that would not
// be read as the same.
func listOf(s *plan.Set) []byte {
	if s.Width != 1 || len(s.Values) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, v := range s.Values {
		switch v.Type() {
		case value.Hash, value.IP:
			b.WriteString(v.String())
		case value.Text:
			text := v.Text()
			if text == "" || text[0] == '#' || bytes.ContainsAny([]byte(text), "\r\n") || string(bytes.TrimSpace([]byte(text))) != text {
				return nil
			}
			b.WriteString(text)
		default:
			return nil
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Lists gives the lists of a plan as the ones that its query was compiled
// with, or as lists that compile to the same.
func Lists(payload *signing.PlanPayload, p *plan.Plan) ([]quaestor.List, error) {
	var out []quaestor.List
	for _, l := range payload.Lists {
		data := l.Data
		if l.Set > 0 {
			if l.Set > len(p.Sets) {
				return nil, fmt.Errorf("client: list @%.80s is set %d of a plan that has %d", l.Name, l.Set, len(p.Sets))
			}
			if data = listOf(p.Sets[l.Set-1]); data == nil {
				return nil, fmt.Errorf("client: list @%.80s is a set of the plan that is no list", l.Name)
			}
		}
		out = append(out, quaestor.List{Name: l.Name, Data: data})
	}
	return out, nil
}
