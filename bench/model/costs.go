package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// A run is what bench/fleet measured of a round of FIND host with so many
// agents: its -o writes it. Processor times are of all agents together.
type run struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"`
	Load    float64 `json:"load"` // of the machine when it began: above 1 times on the clock are no good
	Cores   int     `json:"cores"`
	Agents  int     `json:"agents"`

	Relay  float64 `json:"relay_cpu_ms"`
	Agent  float64 `json:"agents_cpu_ms"`
	Client float64 `json:"client_cpu_ms"`

	First float64 `json:"first_ms"`
	Half  float64 `json:"half_ms"`
	All   float64 `json:"all_ms"`

	Connection float64 `json:"connection_kb"` // resident in the relay, of one that rests
	Own        float64 `json:"own_mb"`        // resident in the relay without any
}

// A linear cost is one that is paid once, and one that is paid for each agent.
type linear struct {
	Once, Each time.Duration
}

func (l linear) of(n int) time.Duration { return l.Once + time.Duration(n)*l.Each }

// costs are what the model is fed with.
type costs struct {
	Relay, Agent, Client linear
	Connection           float64 // KB
	Own                  float64 // MB
}

// Where a relay's time goes in a round cannot be seen from outside. These parts
// of it are an assumption, and matter where one relay pushes a plan and another
// hands the answers on; on one relay they add up to what was measured.
const (
	partPush = 0.3 // the plan to an agent
	partTake = 0.4 // an answer from an agent, into the spine
	partHand = 0.3 // an answer to the investigator
)

// Sizes on the wire, in bytes, of FIND host: those of the files of bench/answers.
const (
	planBytes   = 3900       // an envelope with one signature
	answerBytes = 1410       // a key chunk with a row and an account
	namedBytes  = 2400 + 130 // what a relay says of an agent to an investigator, and its state
)

func readRuns(name string) ([]run, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var runs []run
	if err := json.Unmarshal(b, &runs); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: no runs\nhint: go run ./bench/fleet -agents 1000 -o FILE", name)
	}
	slices.SortFunc(runs, func(a, b run) int { return a.Agents - b.Agents })
	return runs, nil
}

// fit makes costs of runs: a straight line through what each size took.
func fit(runs []run) (costs, error) {
	if len(runs) == 0 {
		return costs{}, errors.New("costs cannot be had from no runs")
	}
	var c costs
	c.Relay = through(runs, func(r run) float64 { return r.Relay })
	c.Agent = through(runs, func(r run) float64 { return r.Agent })
	c.Client = through(runs, func(r run) float64 { return r.Client })
	for _, r := range runs {
		c.Connection += r.Connection / float64(len(runs))
		c.Own += r.Own / float64(len(runs))
	}
	return c, nil
}

// through is the line of least squares through milliseconds by agents, or the
// one through nothing where there is one size, or where the line would cost
// less than nothing.
func through(runs []run, of func(run) float64) linear {
	var n, x, y, xx, xy float64
	for _, r := range runs {
		a, v := float64(r.Agents), of(r)
		n, x, y, xx, xy = n+1, x+a, y+v, xx+a*a, xy+a*v
	}
	each, once := xy/xx, 0.0
	if d := n*xx - x*x; d > 0 {
		if e := (n*xy - x*y) / d; e > 0 && (y-e*x)/n >= 0 {
			each, once = e, (y-e*x)/n
		}
	}
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	return linear{Once: ms(once), Each: ms(each)}
}
