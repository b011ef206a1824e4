package transport

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkFrames moves frames through TLS and the multiplexer over loopback,
// both ends in this process.
func BenchmarkFrames(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		for _, window := range []int{256 << 10, 4 << 20} {
			b.Run(fmt.Sprintf("%dKiB/window=%dKiB", size>>10, window>>10), func(b *testing.B) {
				r := newRelay(b, func(o *ListenOptions) { o.Window = window })
				client, server := r.connect(b, r.dialer())
				from, to := streams(b, client, server)
				body := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				wg.Go(func() {
					for range b.N {
						if err := from.WriteFrame(1, body); err != nil {
							b.Error(err)
							return
						}
					}
				})
				for range b.N {
					if _, _, err := to.ReadFrame(atMost(size)); err != nil {
						b.Fatal(err)
					}
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkRoundTrip is a small question and its answer on one stream.
func BenchmarkRoundTrip(b *testing.B) {
	r := newRelay(b, nil)
	client, server := r.connect(b, r.dialer())
	ask, answer := streams(b, client, server)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			t, body, err := answer.ReadFrame(atMost(100))
			if err != nil || answer.WriteFrame(t, body) != nil {
				return
			}
		}
	})
	b.ResetTimer()
	for range b.N {
		ask.WriteFrame(1, make([]byte, 100))
		if _, _, err := ask.ReadFrame(atMost(100)); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	ask.Close()
	answer.Close()
	client.Close()
	wg.Wait()
}

// BenchmarkHandshake is a connection with certificates on both sides, from
// nothing to nothing; the later ones resume.
func BenchmarkHandshake(b *testing.B) {
	r := newRelay(b, nil)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			c, err := r.l.Accept(ctx)
			if err != nil {
				return
			}
			wg.Go(func() { <-c.Done(); c.Close() })
		}
	})
	d := r.dialer()
	d.Certificate = agent(b, r.ca, "agent", time.Now(), time.Hour)
	for range b.N {
		c, err := d.Dial(soon(b))
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	stop()
	wg.Wait()
}
