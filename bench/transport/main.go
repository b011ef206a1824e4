// Command transport measures what an idle connection costs the end that
// listens: it starts itself a second time as the clients, lets each hold one
// open stream, and reads its own resident set.
//
//	go run ./bench/transport -n 1000
//
// It measures Linux's /proc/self/status, and nothing else than memory.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

func main() {
	n := flag.Int("n", 1000, "connections")
	frames := flag.Int("frames", 0, "frames of 2 KiB that each client sends and gets before it idles")
	clients := flag.String("clients", "", "internal: the address to dial")
	pin := flag.String("pin", "", "internal: the pin of the relay")
	flag.Parse()
	run := func() error { return serve(*n, *frames) }
	if *clients != "" {
		run = func() error { return dial(*clients, *pin, *n, *frames) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "transport:", err)
		os.Exit(1)
	}
}

// serve takes n connections and prints what they cost.
func serve(n, frames int) error {
	ca, err := transport.NewCA("bench", time.Now())
	if err != nil {
		return err
	}
	pair, err := ca.ServerCert([]string{"127.0.0.1"}, time.Now(), time.Hour)
	if err != nil {
		return err
	}
	cert, err := pair.TLS()
	if err != nil {
		return err
	}
	l, err := transport.Listen("127.0.0.1:0", transport.ListenOptions{Certificate: cert, CA: ca.Certificate()})
	if err != nil {
		return err
	}
	defer l.Close()
	before := measure(true)
	certPEM, keyPEM, err := ca.PEM()
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], "-clients", l.Addr().String(), "-pin", ca.Pin(), "-n", fmt.Sprint(n), "-frames", fmt.Sprint(frames))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // its end ends the clients
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	defer stdin.Close()
	if _, err := fmt.Fprintf(stdin, "%s%s.\n", certPEM, keyPEM); err != nil {
		return err
	}
	if err := accept(l, n, frames); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	plain := measure(false)
	collected := measure(true)
	fmt.Printf("%d connections, a stream each, %d frames both ways before\n", n, frames)
	fmt.Printf("as it is:          %6.1f KiB resident a connection\n", per(plain.rss-before.rss, n))
	fmt.Printf("after a collection: %5.1f KiB resident, %.1f heap, %.1f stacks; %.2f goroutines\n",
		per(collected.rss-before.rss, n), per(collected.heap-before.heap, n),
		per(collected.stack-before.stack, n), float64(runtime.NumGoroutine())/float64(n))
	return nil
}

// accept holds n connections, each with one stream and one goroutine that reads it.
func accept(l *transport.Listener, n, frames int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var ready sync.WaitGroup
	for range n {
		c, err := l.Accept(ctx)
		if err != nil {
			return err
		}
		ready.Add(1)
		go hold(c, frames, &ready)
	}
	ready.Wait()
	return nil
}

func hold(c *transport.Conn, frames int, ready *sync.WaitGroup) {
	s, err := c.Accept(context.Background())
	for i := 0; err == nil; i++ {
		if i == frames {
			ready.Done()
		}
		var t byte
		var body []byte
		if t, body, err = s.ReadFrame(func(byte) int { return 1 << 20 }); err == nil {
			err = s.WriteFrame(t, body)
		}
	}
}

// dial is the other process: n clients that hold a stream each until killed.
func dial(addr, pin string, n, frames int) error {
	ca, err := readCA()
	if err != nil {
		return err
	}
	ctx := context.Background()
	var held []*transport.Stream
	for i := range n {
		cert, err := agentCert(ca, fmt.Sprintf("agent-%032d", i))
		if err != nil {
			return err
		}
		pair, err := cert.TLS()
		if err != nil {
			return err
		}
		d := transport.Dialer{Addrs: []string{addr}, Pin: pin, Certificate: &pair}
		c, err := d.Dial(ctx)
		if err != nil {
			return err
		}
		s, err := c.Open(ctx, "agent")
		if err != nil {
			return err
		}
		for range frames {
			if err := s.WriteFrame(1, make([]byte, 2<<10)); err != nil {
				return err
			}
			if _, _, err := s.ReadFrame(func(byte) int { return 1 << 20 }); err != nil {
				return err
			}
		}
		held = append(held, s)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
	return err
}

func readCA() (*transport.CA, error) {
	var text strings.Builder
	r := bufio.NewScanner(os.Stdin)
	for r.Scan() && r.Text() != "." {
		text.WriteString(r.Text() + "\n")
	}
	return transport.ReadCA([]byte(text.String()))
}

func agentCert(ca *transport.CA, name string) (transport.KeyPair, error) {
	key, err := transport.NewTLSKey()
	if err != nil {
		return transport.KeyPair{}, err
	}
	csr, err := transport.CSR(key, name)
	if err != nil {
		return transport.KeyPair{}, err
	}
	der, err := ca.AgentCert(csr, name, time.Now(), time.Hour)
	if err != nil {
		return transport.KeyPair{}, err
	}
	return transport.AgentPair(key, der)
}

// A memory is what this process holds, in bytes.
type memory struct{ rss, heap, stack int64 }

func measure(collect bool) memory {
	if collect {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	got := memory{heap: int64(m.HeapAlloc), stack: int64(m.StackInuse)}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic("transport: this measures Linux alone: " + err.Error())
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmRSS:") {
			fmt.Sscanf(line, "VmRSS: %d kB", &got.rss)
			got.rss <<= 10
		}
	}
	return got
}

func per(bytes int64, n int) float64 { return float64(bytes) / 1024 / float64(n) }
