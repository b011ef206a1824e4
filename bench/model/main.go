// Command model predicts what a fleet of any size takes to answer FIND host: a
// simulation, from event to event, of the investigator, relays and agents.
//
//	go run ./bench/fleet -agents 500 -o runs.json     # measure, in several sizes
//	go run ./bench/model -runs runs.json              # is the model right about those?
//	go run ./bench/model -runs runs.json -agents 1000000 -relays 20 -cores 16 -client 32
//
// It knows of queues, and of nothing else: each step costs the processor time
// that was measured, a line carries its bytes one after the other, a disk makes
// what waits safe together. Each run is predicted from the others, so that a
// size that the model was not fed with says whether it can be believed about
// further ones. What it leaves out stands in docs/scale.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	runs := flag.String("runs", "bench/model/runs.json", "what bench/fleet -o measured")
	agents := flag.Int("agents", 0, "play a deployment of so many agents, and none of those of docs/scale.md")
	relays := flag.Int("relays", 1, "of how many relays")
	cores := flag.Int("cores", 4, "of how many cores each")
	client := flag.Int("client", 8, "and of an investigator with how many")
	seed := flag.Uint64("seed", 1, "of what is drawn")
	flag.Parse()
	list := worlds()
	if *agents > 0 {
		list = []world{tiers("as asked", *agents, *relays, *cores, *client)}
	}
	if *agents < 0 || *relays < 1 || *cores < 1 || *client < 1 {
		fmt.Fprintln(os.Stderr, "model: there is at least one of everything")
		os.Exit(2)
	}
	if err := report(os.Stdout, *runs, list, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

// report prints what the model is fed with, how right it is about that, and
// what it predicts.
func report(w io.Writer, name string, list []world, seed uint64) error {
	runs, err := readRuns(name)
	if err != nil {
		return err
	}
	c, err := fit(runs)
	if err != nil {
		return err
	}
	c.tell(w)
	fmt.Fprintln(w)
	if err := validate(w, runs); err != nil {
		return err
	}
	fmt.Fprintln(w)
	predict(w, c, list, seed)
	return nil
}
