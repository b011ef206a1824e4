package watch

import "fmt"

// What is wrong, and from when on. docs/examples/alerts has the same for
// Prometheus.
const (
	lowDisk      = 0.10   // of the disk that is free
	slowStore    = 0.1    // seconds that 99 of 100 writes take at most
	fewStores    = 10     // writes by which nobody is judged
	deepOutbox   = 0.5    // of what may wait for one agent
	longWitness  = 60.0   // seconds that an entry may wait for witnesses
	farBehind    = 1000.0 // messages of the spine that are not dealt with
	manyFiles    = 0.8    // of those that may be open
	manyRefusals = 1.0    // a second
)

// over says whether a number is known and more than a bound.
func over(n Number, bound float64) bool { return n != nil && *n > bound }

// wrong says what is wrong, in words that say what to do.
func (v *View) wrong() []string {
	all := []string{}
	add := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	s := &v.Spine
	add(over(s.CutOff, 0), "this relay is cut off: it can keep nothing and serves nobody; look at the line to the other relays, and whether they run")
	add(s.Up != nil && *s.Up == 0, "the servers of the spine do not see each other: fewer run, or reach each other, than it takes to keep anything")
	add(s.Peers != nil && s.Alive != nil && *s.Alive < *s.Peers, "%s of %s other relays say nothing: they were stopped, or lost, or cannot be reached", count(less(s.Peers, s.Alive)), count(s.Peers))
	add(over(s.Failures, 0), "%s writes were not kept since the last look: the journal of the relay says why", count(s.Failures))
	d := &v.Disk
	add(d.Free != nil && over(d.Size, 0) && *d.Free < lowDisk**d.Size, "%s of %s are free on the disk: the relay ends when it is full; make room, or lower keep_bytes", size(d.Free), size(d.Size))
	add(d.Free != nil && d.Answers != nil && over(d.AnswersLimit, *orZero(d.Answers)) && *d.Free < *d.AnswersLimit-*d.Answers,
		"answers may still take %s by keep_bytes, and %s are free on the disk: lower keep_bytes, or make room", size(less(d.AnswersLimit, d.Answers)), size(d.Free))
	add(!v.Store.Ever && v.Store.Count >= fewStores && (v.Store.Hundred == nil || *v.Store.Hundred > slowStore), "one of a hundred writes takes longer than 100 ms: the disk is slow, or another relay's")
	add(over(s.Lag, farBehind), "this relay has not dealt with %s messages that the others have: it is overloaded, or was started just now", count(s.Lag))
	add(over(s.Behind, 0), "%s copies of what is kept are not up to date: a relay is away, or catches up", count(s.Behind))
	o := &v.Outbox
	add(over(o.CutOff, 0), "%s agents were cut off since the last look, since they took nothing: their line or machine is too slow; they come back by themselves", count(o.CutOff))
	add(o.Limit != nil && over(o.Deepest, deepOutbox**orZero(o.Limit)), "%s frames wait for one agent, which is cut off at %s", count(o.Deepest), count(o.Limit))
	add(over(v.Log.Waiting, longWitness), "the log has waited %s for its witnesses, and agents that ask for a proof run nothing new: see that witnesses run and reach a relay", span(v.Log.Waiting))
	add(over(v.Plans.Unlogged, 0), "%s plans are offered to nobody before the log has them and enough witnesses have signed", count(v.Plans.Unlogged))
	m := &v.Memory
	add(m.FilesLimit != nil && over(m.Files, manyFiles**orZero(m.FilesLimit)), "%s of %s files are open, and each agent takes one: raise LimitNOFILE", count(m.Files), count(m.FilesLimit))
	add(over(v.Rates.Refused, manyRefusals), "%s a second are refused: quaestor_relay_refusals_total says for what reason, the journal who", rate(v.Rates.Refused))
	add(s.Lag == nil, "the spine does not say what it holds within two seconds")
	return all
}

// orZero gives a number to reckon with where over has seen that there is one.
func orZero(n Number) Number {
	if n == nil {
		return new(float64)
	}
	return n
}

func less(a, b Number) Number {
	d := *orZero(a) - *orZero(b)
	return &d
}
