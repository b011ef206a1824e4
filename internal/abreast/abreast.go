// Package abreast lets the tests of a package run next to each other that wait
// more than they compute: for disks, for servers that choose who leads, for
// other processes.
//
// A newcomer needs [AtLeast], in TestMain, and [Ports], for what is told where
// to listen before it does. A test that measures a time, counts goroutines or
// changes its process must not be abreast of others: it does not call
// t.Parallel, and runs before all that do.
package abreast

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// AtLeast lets so many tests run at once, whatever the number of processors,
// unless the command says -parallel.
func AtLeast(n int) error {
	if !flag.Parsed() {
		flag.Parse()
	}
	const name = "test.parallel"
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == name })
	f := flag.Lookup(name)
	if f == nil {
		return fmt.Errorf("there is no flag %s: this is no test", name)
	}
	if now, err := strconv.Atoi(f.Value.String()); said || err == nil && now >= n {
		return nil
	}
	return f.Value.Set(strconv.Itoa(n))
}

// Ports are ports of loopback that nobody listens on, each given once. The zero
// value is ready. None is among those that systems lend to whoever connects: one
// of them may be taken before the server comes that it was meant for, or while
// that is started anew.
type Ports struct {
	begin atomic.Uint32 // a place drawn by chance, and one
	given atomic.Uint32
}

// From which ports are, and how many: what is lent begins at 32768 on Linux and
// at 49152 elsewhere.
const (
	firstPort = 20_000
	manyPorts = 12_000
)

// Next gives a port.
func (p *Ports) Next() (string, error) {
	p.begin.CompareAndSwap(0, 1+rand.Uint32N(manyPorts))
	var last error
	for range manyPorts {
		port := strconv.Itoa(firstPort + int((p.begin.Load()+p.given.Add(1))%manyPorts))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("all ports are in use: %w", last)
}
