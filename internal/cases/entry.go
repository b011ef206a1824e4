package cases

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// The kinds of entries.
const (
	kindOpened   = "opened"
	kindNote     = "note"
	kindQuestion = "question"
	kindRows     = "rows"
	kindAnswer   = "answer"
)

// format is the version of the file that this package reads and writes.
const format = 1

// An Entry is one thing that a case keeps. One of Opened, Note, Question and
// Answer is set, or none: then it holds rows.
type Entry struct {
	Seq    int64
	At     time.Time
	Of     int64  // the question that rows and an answer belong to
	Signer string // whose signature stands on it, unproved; "": nobody's
	Doubt  string // why it is not what was written; "": there is none

	Opened   *Opened
	Note     *Note
	Question *Question
	Answer   *Answer

	kind string
	hash []byte
	sig  []byte
	rows []byte
}

// by says who wrote an entry.
type by struct {
	Who    string `json:"who,omitempty"`
	Signed bool   `json:"signed,omitempty"` // a signature was to follow
}

// Author gives who wrote it, in words.
func (b *by) Author() string { return b.Who }

func (b *by) signs() bool { return b.Signed }

// Opened is the first entry.
type Opened struct {
	by
	Format int    `json:"format"`
	Case   string `json:"case"`
}

// A Note is what somebody wrote.
type Note struct {
	by
	Text string `json:"text"`
}

// A Question is what was asked.
type Question struct {
	by
	Name          string           // of the query, from its header or its source
	Text          string           // in its canonical form
	Source        string           // local, fleet and so on
	Host          string           // where this machine was asked: its name
	Investigation string           // the ID that the fleet knows it by; ""
	Envelope      []byte           // the signed plan; nil
	Tables        []quaestor.Table // of this query alone
}

// An Answer ends what was recorded of a question.
type Answer struct {
	by
	Summary  answer.Summary
	Coverage *quaestor.Coverage // nil: only this machine was asked
	Rows     []int64            // by table: how many are kept
	Lost     int64              // how many came that could not be kept
	elems    [][]value.Type     // by table and column: what lists are of
}

// Complete says whether everything was looked at and everything kept.
func (a *Answer) Complete() bool {
	return a != nil && a.Lost == 0 && a.Summary.Outcome == answer.Complete &&
		(a.Coverage == nil || a.Coverage.Targeted() > 0 && a.Coverage.Answered() == a.Coverage.Targeted() && len(a.Coverage.Doubts) == 0)
}

// The JSON of questions and answers.
type (
	questionJSON struct {
		by
		Name          string      `json:"name"`
		Text          string      `json:"text"`
		Source        string      `json:"source"`
		Host          string      `json:"host,omitempty"`
		Investigation string      `json:"investigation,omitempty"`
		Envelope      []byte      `json:"envelope,omitempty"`
		Tables        []tableJSON `json:"tables"`
	}
	tableJSON struct {
		Name    string       `json:"name"`
		Ordered bool         `json:"ordered,omitempty"`
		Origin  bool         `json:"origin,omitempty"`
		Columns []columnJSON `json:"columns"`
	}
	columnJSON struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	answerJSON struct {
		by
		Summary  answer.Summary     `json:"summary"`
		Coverage *quaestor.Coverage `json:"coverage,omitempty"`
		Rows     []int64            `json:"rows"`
		Lost     int64              `json:"lost,omitempty"`
		Elems    [][]string         `json:"elems,omitempty"`
	}
)

// MarshalJSON writes the question as its entry has it.
func (q *Question) MarshalJSON() ([]byte, error) {
	out := questionJSON{by: q.by, Name: q.Name, Text: q.Text, Source: q.Source, Host: q.Host,
		Investigation: q.Investigation, Envelope: q.Envelope}
	for _, t := range q.Tables {
		tab := tableJSON{Name: t.Name, Ordered: t.Ordered, Origin: t.Origin}
		for _, c := range t.Columns {
			tab.Columns = append(tab.Columns, columnJSON{c.Name, c.Type.String()})
		}
		out.Tables = append(out.Tables, tab)
	}
	return plainJSON(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. A type that is not known is an
// error: what is not understood is not guessed at.
func (q *Question) UnmarshalJSON(b []byte) error {
	var in questionJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*q = Question{by: in.by, Name: in.Name, Text: in.Text, Source: in.Source, Host: in.Host,
		Investigation: in.Investigation, Envelope: in.Envelope}
	for _, t := range in.Tables {
		tab := quaestor.Table{Name: t.Name, Ordered: t.Ordered, Origin: t.Origin}
		for _, c := range t.Columns {
			typ, ok := value.ParseType(c.Type)
			if !ok {
				return fmt.Errorf("a column of type %.40q", c.Type)
			}
			tab.Columns = append(tab.Columns, quaestor.Column{Name: c.Name, Type: typ})
		}
		if tab.Origin && len(tab.Columns) < 2 {
			return fmt.Errorf("a table %.40q without the origin that it says it has", t.Name)
		}
		q.Tables = append(q.Tables, tab)
	}
	return nil
}

// MarshalJSON writes the answer as its entry has it.
func (a *Answer) MarshalJSON() ([]byte, error) {
	out := answerJSON{by: a.by, Summary: a.Summary, Coverage: a.Coverage, Rows: a.Rows, Lost: a.Lost}
	for _, table := range a.elems {
		names := make([]string, len(table))
		for i, t := range table {
			names[i] = t.String()
		}
		out.Elems = append(out.Elems, names)
	}
	return plainJSON(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Answer) UnmarshalJSON(b []byte) error {
	var in answerJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*a = Answer{by: in.by, Summary: in.Summary, Coverage: in.Coverage, Rows: in.Rows, Lost: in.Lost}
	for _, table := range in.Elems {
		types := make([]value.Type, len(table))
		for i, name := range table {
			types[i], _ = value.ParseType(name) // an unknown one is shown as text
		}
		a.elems = append(a.elems, types)
	}
	return nil
}

// plainJSON is JSON that people can read in the file: < stays <.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads the body of an entry. Bodies of kinds that are not known are an
// error.
func (e *Entry) decode(body []byte) error {
	switch e.kind {
	case kindRows:
		e.rows = body
		return nil
	case kindOpened:
		e.Opened = &Opened{}
		return json.Unmarshal(body, e.Opened)
	case kindNote:
		e.Note = &Note{}
		return json.Unmarshal(body, e.Note)
	case kindQuestion:
		e.Question = &Question{}
		return json.Unmarshal(body, e.Question)
	case kindAnswer:
		e.Answer = &Answer{}
		return json.Unmarshal(body, e.Answer)
	}
	return fmt.Errorf("an entry of kind %.40q", e.kind)
}

// signs says whether a signature was to follow the entry.
func (e *Entry) signs() bool {
	switch {
	case e.Opened != nil:
		return e.Opened.signs()
	case e.Note != nil:
		return e.Note.signs()
	case e.Question != nil:
		return e.Question.signs()
	case e.Answer != nil:
		return e.Answer.signs()
	}
	return false
}

// preamble begins what is hashed and what is signed.
const preamble = "quaestor case entry 1\n"

// chain gives the hash of an entry that follows the one with the hash before.
func chain(before []byte, e *Entry, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(preamble))
	if len(before) == 0 {
		before = make([]byte, sha256.Size)
	}
	h.Write(before)
	var fixed []byte
	fixed = binary.BigEndian.AppendUint64(fixed, uint64(e.Seq))
	fixed = binary.BigEndian.AppendUint64(fixed, uint64(e.At.UnixNano()))
	fixed = binary.BigEndian.AppendUint64(fixed, uint64(e.Of))
	fixed = append(append(fixed, byte(len(e.kind))), e.kind...)
	h.Write(fixed)
	h.Write(body)
	return h.Sum(nil)
}

// message is what is signed of an entry.
func message(hash []byte) []byte {
	return []byte(preamble + hex.EncodeToString(hash) + "\n")
}
