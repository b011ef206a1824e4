package leaf

import "github.com/quaestor-engine/quaestor/transport/message"

// Receipts are the plans that an agent has said it has, the last ones: each
// once, however often it says so.
type receipts struct {
	known map[message.ID]bool
	order []message.ID
}

// add takes what an agent said.
func (r *receipts) add(body []byte) error {
	var id message.ID
	if err := message.Unmarshal(body, &id); err != nil {
		return err
	}
	if r.known[id] {
		return nil
	}
	if len(r.order) == maxReceipts {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	if r.known == nil {
		r.known = map[message.ID]bool{}
	}
	r.known[id] = true
	r.order = append(r.order, id)
	return nil
}
