package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/measured"
)

// validate predicts each run from the others, and says how far it is off.
func validate(w io.Writer, runs []measured.Round) error {
	fmt.Fprintln(w, "| agents | load | all: measured | model | off | cpu: measured | model | off |\n|---|---|---|---|---|---|---|---|")
	for i, r := range runs {
		others := append(append([]measured.Round(nil), runs[:i]...), runs[i+1:]...)
		if len(others) == 0 {
			others = runs // there is nothing else to learn from
		}
		c, err := fit(others)
		if err != nil {
			return err
		}
		o := play(box(r.Agents, r.Cores), c, 1)
		cpu := c.Relay.of(r.Agents) + c.Agent.of(r.Agents) + c.Client.of(r.Agents)
		all, spent := milliseconds(r.All), milliseconds(r.Relay+r.Agent+r.Client)
		fmt.Fprintf(w, "| %s | %.1f | %s | %s | %+.0f %% | %s | %s | %+.0f %% |\n", number(r.Agents), r.Load, seconds(all), seconds(o.All), off(o.All, all), seconds(spent), seconds(cpu), off(cpu, spent))
	}
	return nil
}

func off(model, measured time.Duration) float64 {
	return 100 * (float64(model)/float64(measured) - 1)
}

func milliseconds(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

// box is everything on one machine, as bench/fleet has it.
func box(agents, cores int) world {
	return world{
		Name: "one machine", Agents: agents, Relays: 1, Box: true, Cores: cores,
		Relayed: 20e9, Line: 20e9, Sync: 500 * time.Microsecond,
	}
}

// tiers is a deployment of relays that agents connect to, joined by a spine.
func tiers(name string, agents, relays, cores, client int) world {
	return world{
		Name: name, Agents: agents, Relays: relays, Cores: cores, Asker: client,
		Latency: 20 * time.Millisecond, Spread: 0.7, Hop: time.Millisecond, Relayed: 10e9, Line: 1e9, Sync: 2 * time.Millisecond,
	}
}

// worlds are the deployments that docs/scale.md speaks of.
func worlds() []world {
	return []world{
		tiers("one relay of 4 cores", 10_000, 1, 4, 4),
		tiers("one relay of 16 cores", 100_000, 1, 16, 8),
		tiers("5 relays of 4 cores", 100_000, 5, 4, 8),
		tiers("20 relays of 4 cores", 1_000_000, 20, 4, 8),
		tiers("20 relays of 16 cores, investigator with 32", 1_000_000, 20, 16, 32),
		tiers("50 relays of 32 cores, investigator with 64", 1_000_000, 50, 32, 64),
	}
}

// predict plays deployments, and says when rows come and what is waited for.
func predict(w io.Writer, c costs, list []world, seed uint64) {
	fmt.Fprintln(w, "| deployment | agents | first row | half | all | most busy | then | memory of a relay |\n|---|---|---|---|---|---|---|---|")
	for _, one := range list {
		o := play(one, c, seed)
		each := (one.Agents + one.Relays - 1) / one.Relays
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s connections, %.1f GB |\n", one.Name, number(one.Agents), seconds(o.First), seconds(o.Half), seconds(o.All),
			o.parts[0], o.parts[1], number(each), (c.Own+float64(each)*c.Connection/1000)/1000)
	}
}

// String is the part in a table.
func (p part) String() string {
	return fmt.Sprintf("%s: %.0f %% (%s)", p.name, 100*p.share, p.detail)
}

// tell prints what the model is fed with.
func (c costs) tell(w io.Writer) {
	fmt.Fprintln(w, "| cost of a round | once | an agent |\n|---|---|---|")
	for _, l := range []struct {
		name string
		linear
	}{{"relay", c.Relay}, {"agent", c.Agent}, {"investigator", c.Client}} {
		fmt.Fprintf(w, "| %s | %.1f ms | %.3f ms |\n", l.name, l.Once.Seconds()*1000, l.Each.Seconds()*1000)
	}
	fmt.Fprintf(w, "| memory of a relay | %.0f MB | %.0f KB |\n", c.Own, c.Connection)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// number is a number with separators.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
