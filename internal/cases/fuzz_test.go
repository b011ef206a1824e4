package cases

import (
	"context"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// FuzzEntry reads entries that somebody else wrote: whatever is in them,
// nothing panics, and the schema that they make is a good one. The database
// stays out of it: see TestDamagedFile.
func FuzzEntry(f *testing.F) {
	f.Add("note", []byte(`{"who":"x","text":"y"}`), []byte(`{}`), []byte{})
	f.Add("question", []byte(`{"name":"q","text":"FIND t","source":"local","tables":[{"name":"t","columns":[{"name":"a","type":"list"},{"name":"P.a","type":"text"}]}]}`),
		[]byte(`{"summary":{"outcome":"partial","looked":{"files":1}},"coverage":{"agents":[{"agent":"a","host":"h","state":"silent","rows":0}]},"rows":[1],"elems":[["int","text"]]}`),
		answer.AppendRow(nil, 0, []value.Value{value.NewList([]value.Value{value.NewInt(1)}), value.NewText("x")}))
	f.Add("opened", []byte(`{"format":1}`), []byte(`[]`), []byte{1, 0, 1, 1, 1, 'x'})
	f.Fuzz(func(t *testing.T, kind string, body, end, rows []byte) {
		e := &Entry{Seq: 2, kind: kind}
		if e.decode(body) != nil || e.Question == nil {
			return
		}
		k := &kept{seq: 2, q: e.Question}
		if last := (&Entry{kind: kindAnswer}); last.decode(end) == nil {
			k.a = last.Answer
			last.Answer.Facts()
			_ = last.Answer.lacks()
		}
		m := &module{c: &Case{name: "x"}, at: map[int64]*kept{2: k}, order: []int64{2}}
		m.shape()
		if _, err := modules.NewCatalogue(m); err != nil {
			t.Fatalf("the schema: %v", err)
		}
		row := &row{m: m, values: make([]value.Value, len(m.schema.Columns)), report: nobody{}}
		// What is no row of the table is an error.
		_ = answer.Decode(rows, func(table int, values []value.Value) error {
			if table < 0 || table >= len(k.to) {
				return nil
			}
			if err := row.fill(k, table, values); err != nil {
				return err
			}
			for i, col := range m.schema.Columns {
				v, err := row.Column(context.Background(), i)
				if err != nil || !v.IsNull() && v.Type() != col.Type {
					t.Errorf("%s is of type %s, not %s: %v", col.Name, v.Type(), col.Type, err)
				}
			}
			return nil
		}, func(answer.Summary) error { return nil })
		for _, p := range []page{&markdown{&strings.Builder{}}, &hypertext{&strings.Builder{}}, &text{&strings.Builder{}}} {
			p.asked(&asked{title: e.Question.Name, query: e.Question.Text})
		}
	})
}

type nobody struct{}

func (nobody) Looked(string, int64) {}
func (nobody) Skip(modules.Skip)    {}
