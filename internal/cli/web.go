package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/term"

	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/internal/web"
)

type webCommand struct {
	Listen      string   `placeholder:"127.0.0.1:PORT" help:"Where to listen: a loopback address (default: one that is drawn each time)."`
	Host        []string `placeholder:"NAME" help:"A further name by which a browser calls it, such as one that a tunnel ends at. Repeatable."`
	Root        string   `placeholder:"DIR" help:"Let a tree stand for this machine, such as a mounted image."`
	signerFlags `embed:""`
}

// Run serves the page until Ctrl-C.
func (c *webCommand) Run(a *app) error {
	addr := c.Listen
	if addr == "" {
		addr = drawnAddress()
	}
	l, err := listen(addr, nil, "leave --listen out; docs/web.md says how a tunnel leads here")
	if err != nil {
		return err
	}
	g, end, err := a.gateway(c.signerFlags, c.Root)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer end()
	site := web.New(web.Options{Gateway: g, Addr: l.Addr(), Hosts: c.Host})
	fmt.Fprintf(a.Err, "open this link; it lets one browser in, once:\n  %s\n", site.Link())
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	if tty, ok := a.In.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
		fmt.Fprint(a.Err, "Enter writes another, Ctrl-C ends it\n")
		var wg sync.WaitGroup
		wg.Go(func() { a.moreLinks(ctx, site, tty) })
		defer wg.Wait()
		defer cancel()
	}
	return gateway.Serve(ctx, gateway.NewServer(site.Handler()), l, g)
}

// moreLinks writes a link for each line that is typed.
func (a *app) moreLinks(ctx context.Context, site *web.Site, tty *os.File) {
	typed := lines(ctx, tty)
	for {
		select {
		case _, ok := <-typed:
			if !ok {
				return
			}
			fmt.Fprintf(a.Err, "  %s\n", site.Link())
		case <-ctx.Done():
			return
		}
	}
}

// drawnAddress gives an address of the loopback net that nobody else listens
// at. Browsers send a cookie to every port of a host: what else runs at
// 127.0.0.1 is not to get this one's. macOS has that address alone.
func drawnAddress() string {
	ip := net.IPv4(127, 0, 0, 1)
	if runtime.GOOS != "darwin" {
		var b [3]byte
		_, _ = rand.Read(b[:]) // it never fails: see crypto/rand
		ip = net.IPv4(127, 1+b[0]%250, b[1], 1+b[2]%250)
	}
	return net.JoinHostPort(ip.String(), "0")
}
