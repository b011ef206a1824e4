package cases

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// JSONL writes the case for programs: a line for each entry, in their order,
// and one for each row: {"entry":3,"table":"file","row":{…}}, where entry is
// the question's. An entry that was changed has a key "doubt".
func (c *Case) JSONL(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	questions := map[int64]*Question{}
	for e, err := range c.Entries(ctx) {
		if err != nil {
			return err
		}
		if e.Question != nil {
			questions[e.Seq] = e.Question
		}
		if e.kind == kindRows && e.Doubt == "" {
			err = writeRows(out, e, questions[e.Of])
		} else {
			err = writeEntry(out, e)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

func writeEntry(out *bufio.Writer, e *Entry) error {
	line := struct {
		Entry    int64     `json:"entry"`
		Kind     string    `json:"kind"`
		At       time.Time `json:"at"`
		Of       int64     `json:"of,omitempty"`
		Hash     string    `json:"hash"`
		Signer   string    `json:"signer,omitempty"`
		Doubt    string    `json:"doubt,omitempty"`
		Opened   *Opened   `json:"opened,omitempty"`
		Note     *Note     `json:"note,omitempty"`
		Question *Question `json:"question,omitempty"`
		Answer   *Answer   `json:"answer,omitempty"`
	}{e.Seq, e.kind, e.At, e.Of, fmt.Sprintf("%x", e.hash), e.Signer, e.Doubt, e.Opened, e.Note, e.Question, e.Answer}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	_, err = out.Write(append(value.EscapeJSON(text), '\n'))
	return err
}

// writeRows writes the rows of an entry. Those that belong to no table are an
// error: nothing is left out unsaid.
func writeRows(out *bufio.Writer, e *Entry, q *Question) error {
	if q == nil {
		return fmt.Errorf("entry %d has rows of no question", e.Seq)
	}
	var line []byte
	err := answer.Decode(e.rows, func(table int, values []value.Value) error {
		if table < 0 || table >= len(q.Tables) || len(values) != len(q.Tables[table].Columns) {
			return fmt.Errorf("entry %d has a row of %d columns that no table has", e.Seq, len(values))
		}
		tab := q.Tables[table]
		line = fmt.Appendf(line[:0], `{"entry":%d,"table":`, e.Of)
		line = append(value.AppendJSON(line, value.NewText(tab.Name)), `,"row":{`...)
		for i, v := range values {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(value.AppendJSON(line, value.NewText(tab.Columns[i].Name)), ':')
			line = value.AppendJSON(line, v)
		}
		_, err := out.Write(append(line, "}}\n"...))
		return err
	}, func(answer.Summary) error { return nil })
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return nil
}
