package gateway

import (
	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// An account is a summary for programs, as quaestor run --format json has it.
type account struct {
	Outcome answer.Outcome   `json:"outcome"`
	Reason  string           `json:"reason,omitempty"`
	Looked  map[string]int64 `json:"looked"`
	Matched int64            `json:"matched"`
	Skipped []skipped        `json:"skipped"`
	Limits  []string         `json:"limits"`
}

type skipped struct {
	Kind  modules.SkipKind `json:"kind"`
	Count int64            `json:"count"`
	First []skip           `json:"first"`
}

type skip struct {
	Where  hostText `json:"where"`
	Detail hostText `json:"detail"`
}

// hostText is what a host wrote, which need not be UTF-8: see value.AppendJSON.
type hostText string

// MarshalJSON loses no byte of it.
func (t hostText) MarshalJSON() ([]byte, error) {
	return value.AppendJSON(nil, value.NewText(string(t))), nil
}

func newAccount(s answer.Summary) account {
	a := account{Outcome: s.Outcome, Reason: s.Reason, Looked: s.Looked, Matched: s.Matched, Skipped: newSkipped(s.Skipped), Limits: s.Limits}
	if a.Looked == nil {
		a.Looked = map[string]int64{}
	}
	if a.Limits == nil {
		a.Limits = []string{}
	}
	return a
}

func newSkipped(list []answer.Skipped) []skipped {
	out := []skipped{}
	for _, k := range list {
		one := skipped{Kind: k.Kind, Count: k.Count, First: []skip{}}
		for _, f := range k.First {
			one.First = append(one.First, skip{hostText(f.Where), hostText(f.Detail)})
		}
		out = append(out, one)
	}
	return out
}

// A coverageLine says who answered.
type coverageLine struct {
	Kind     string          `json:"kind"` // "coverage"
	Targeted int             `json:"targeted"`
	Answered int             `json:"answered"`
	Agents   []agentCoverage `json:"agents"`
	Doubts   []string        `json:"doubts"`
}

type agentCoverage struct {
	Agent   string         `json:"agent"`
	Host    string         `json:"host"`
	State   quaestor.State `json:"state"`
	Reason  string         `json:"reason,omitempty"`
	Rows    int64          `json:"rows"`
	Skipped []skipped      `json:"skipped"`
}

func newCoverage(c quaestor.Coverage) coverageLine {
	line := coverageLine{Kind: "coverage", Targeted: c.Targeted(), Answered: c.Answered(), Agents: []agentCoverage{}, Doubts: c.Doubts}
	for _, a := range c.Agents {
		line.Agents = append(line.Agents, agentCoverage{a.Agent, a.Host, a.State, a.Reason, a.Rows, newSkipped(a.Skipped)})
	}
	if line.Doubts == nil {
		line.Doubts = []string{}
	}
	return line
}
