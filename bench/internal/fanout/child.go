package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// childEnv tells a process that it is a child.
const childEnv = "QUAESTOR_BENCH_FANOUT"

// What a child may be told to do.
const (
	doListen  = "listen"
	doConnect = "connect"
	doCollect = "collect"
	doAwait   = "await"
	doPlan    = "plan"
	doSpent   = "spent"
	doMemory  = "memory"
	doProfile = "profile"
)

// An order goes to a child, as JSON; each has a report.
type order struct {
	Do      string `json:"do"`
	Way     Way    `json:"way,omitempty"`
	Cast    *Cast  `json:"cast,omitempty"`
	Addr    string `json:"addr,omitempty"`
	Clients int    `json:"clients,omitempty"`
	Plans   int    `json:"plans,omitempty"`
	Collect bool   `json:"collect,omitempty"`
	File    string `json:"file,omitempty"`
}

type report struct {
	Err    string        `json:"err,omitempty"`
	Addr   string        `json:"addr,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
	Memory Memory        `json:"memory"`
	Before Memory        `json:"before"` // before anyone was connected
}

// A child is a process that does a part, seen from who started it.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser // its end ends the child
	out *json.Decoder
}

func start(ctx context.Context) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self)}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(out)
	return c, c.cmd.Start()
}

func (c *child) ask(o order) (report, error) {
	if err := c.send(o); err != nil {
		return report{}, err
	}
	return c.hear()
}

func (c *child) send(o order) error {
	if err := json.NewEncoder(c.in).Encode(o); err != nil {
		return fmt.Errorf("tell a child to %s: %w", o.Do, err)
	}
	return nil
}

func (c *child) hear() (r report, err error) {
	if err := c.out.Decode(&r); err != nil {
		return r, fmt.Errorf("hear from a child: %w", err)
	}
	if r.Err != "" {
		return r, errors.New(r.Err)
	}
	return r, nil
}

func (c *child) stop() error {
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// Child does what it is told by Start, where this process was started by it, and
// says whether it was.
func Child() bool {
	if os.Getenv(childEnv) == "" {
		return false
	}
	if err := obey(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
	return true
}

// obey takes orders until there are no more.
func obey(in io.Reader, out io.Writer) error {
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	var p part
	defer pprof.StopCPUProfile()
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := p.do(&o)
		if err != nil {
			r.Err = fmt.Sprintf("%s: %v", o.Do, err)
		}
		if err := reports.Encode(r); err != nil {
			return err
		}
	}
}

// A hub sends plans and takes the replies.
type hub interface {
	addr() string
	await() error // until all are connected
	plan() error  // until all have replied
}

// A part is what this process is.
type part struct {
	hub    hub
	before Memory
	held   any // connections of clients
}

func (p *part) do(o *order) (r report, err error) {
	switch o.Do {
	case doListen:
		p.hub, err = listen(o)
		p.before, _ = memory(true)
		if err == nil {
			r.Addr = p.hub.addr()
		}
	case doConnect:
		if o.Way == Ours {
			p.held, err = connectOurs(o.Cast, o.Addr)
		} else {
			p.held, err = connectNATS(o.Cast, o.Addr)
		}
	case doCollect:
		p.hub, err = collectNATS(o)
	case doAwait:
		err = p.hub.await()
	case doPlan:
		start := time.Now()
		for range o.Plans {
			if err = p.hub.plan(); err != nil {
				break
			}
		}
		r.Took = time.Since(start)
	case doSpent:
		r.Took, err = spent()
	case doMemory:
		r.Before = p.before
		r.Memory, err = memory(o.Collect)
	case doProfile:
		err = profile(o.File)
	default:
		err = errors.New("unknown")
	}
	return r, err
}

func listen(o *order) (hub, error) {
	if o.Way == Ours {
		return listenOurs(o.Cast, o.Clients)
	}
	return listenNATS(o)
}

// memory is what this process holds.
func memory(collect bool) (Memory, error) {
	if collect {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rss, err := resident()
	return Memory{Resident: rss, Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse), Goroutines: runtime.NumGoroutine()}, err
}

func profile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}
