package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/measured"
)

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
	planBytes   = 3900 // an envelope with one signature
	answerBytes = 1410 // a key chunk with a row and an account
	namedBytes  = 1720 // what a relay says of an agent to an investigator
)

func readRuns(name string) ([]measured.Round, error) {
	runs, err := measured.Read(name)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: no runs\nhint: go run ./bench/fleet -agents 1000 -o FILE", name)
	}
	slices.SortFunc(runs, func(a, b measured.Round) int { return a.Agents - b.Agents })
	return runs, nil
}

// fit makes costs of runs: a straight line through what each size took.
func fit(runs []measured.Round) (costs, error) {
	if len(runs) == 0 {
		return costs{}, errors.New("costs cannot be had from no runs")
	}
	var c costs
	c.Relay = through(runs, func(r measured.Round) float64 { return r.Relay })
	c.Agent = through(runs, func(r measured.Round) float64 { return r.Agent })
	c.Client = through(runs, func(r measured.Round) float64 { return r.Client })
	for _, r := range runs {
		c.Connection += r.Connection / float64(len(runs))
		c.Own += r.Own / float64(len(runs))
	}
	return c, nil
}

// through is the line of least squares through milliseconds by agents, or the
// one through nothing where there is one size, or where the line would cost
// less than nothing.
func through(runs []measured.Round, of func(measured.Round) float64) linear {
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
