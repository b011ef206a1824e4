package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/internal/nocore"
)

type serveCommand struct {
	Listen      string   `default:"127.0.0.1:7480" placeholder:"HOST:PORT" help:"Where to listen (default: ${default}). Another address than a loopback one needs --cert and --key."`
	Host        []string `placeholder:"NAME" help:"A further name by which it is called. Repeatable."`
	Cert        string   `placeholder:"FILE" help:"A TLS certificate, in PEM."`
	Key         string   `placeholder:"FILE" help:"Its key, in PEM."`
	TokenFile   string   `placeholder:"FILE" help:"The token that programs send, in a file for its owner alone; made where there is none (default: $$QUAESTOR_TOKEN, or a new one that is written once)."`
	Root        string   `placeholder:"DIR" help:"Let a tree stand for this machine, such as a mounted image."`
	signerFlags `embed:""`
}

// Run serves until Ctrl-C.
func (c *serveCommand) Run(a *app) error {
	token, told, err := c.token(a)
	if err != nil {
		return err
	}
	cert, err := c.certificate()
	if err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) && len(c.Host) == 0 {
		return fmt.Errorf("%s is every address, and names none\nhint: say by which --host it is called, or listen on 127.0.0.1", c.Listen)
	}
	l, err := listen(c.Listen, cert, "listen on 127.0.0.1, or give --cert and --key")
	if err != nil {
		return err
	}
	g, end, err := a.gateway(c.signerFlags, c.Root)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer end()
	srv := gateway.NewServer(gateway.Guard(g.API(), gateway.Rules{
		Hosts: gateway.Names(l.Addr(), c.Host...), Known: gateway.NewSecret(token).Bearer,
	}))
	scheme := "http"
	if cert != nil {
		scheme = "https"
	}
	fmt.Fprintf(a.Err, "listening at %s://%s; %s\n", scheme, l.Addr(), told)
	return gateway.Serve(a.ctx, srv, l, g)
}

// minToken is how many characters a token has at least: 128 bits in base64.
const minToken = 22

// token gives what programs must send, and how to say where it is.
func (c *serveCommand) token(a *app) (token, told string, err error) {
	if c.TokenFile != "" {
		told = "the token is in " + c.TokenFile
		token, err = tokenOf(c.TokenFile)
	} else if token = a.Getenv("QUAESTOR_TOKEN"); token != "" {
		told = "the token is $QUAESTOR_TOKEN"
	} else {
		token = gateway.NewToken()
		told = "the token, which is written only here, is\n" + token
	}
	if err == nil && len(token) < minToken {
		err = fmt.Errorf("the token has %d characters, fewer than %d\nhint: leave it out, and one is made", len(token), minToken)
	}
	return token, told, err
}

// tokenOf reads a token from a file, which is made where there is none.
func tokenOf(name string) (string, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		token := gateway.NewToken()
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return "", err
		}
		_, err = f.WriteString(token + "\n")
		return token, errors.Join(err, f.Close())
	}
	if err != nil {
		return "", err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && os.PathSeparator == '/' {
		return "", fmt.Errorf("%s can be read by others\nhint: chmod 600 %[1]s", name)
	}
	b, err := readBounded(name, 1<<10)
	return strings.TrimSpace(string(b)), err
}

func (c *serveCommand) certificate() (*tls.Config, error) {
	if c.Cert == "" && c.Key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("--cert and --key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// listen opens an address. Without TLS it must be one of this machine alone;
// the hint is for who gives another.
func listen(addr string, cert *tls.Config, hint string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if cert != nil {
		return tls.NewListener(l, cert), nil
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s can be reached from other machines\nhint: %s", addr, hint), l.Close())
	}
	return l, nil
}

// gateway makes the gateway of this home: to this machine, and to the fleet
// where one is set up. The function ends the connection to the fleet.
func (a *app) gateway(who signerFlags, root string) (*gateway.Gateway, func(), error) {
	_ = nocore.Guard() // of the token that lets programs in, where no key is opened
	if root != "" {
		if _, err := os.Stat(root); err != nil {
			return nil, nil, fmt.Errorf("--root: %w", err)
		}
	}
	o := gateway.Options{Local: quaestor.Options{Root: root, Case: a.caseModule}, Cases: shelf{a}}
	end := func() {}
	home, err := a.home()
	if err != nil {
		return nil, nil, err
	}
	if len(home.Config.Relays) > 0 {
		// Here, where a passphrase can be asked for.
		key, err := who.open(a)
		if err != nil {
			return nil, nil, err
		}
		var session atomic.Pointer[client.Session]
		o.Connect = func(ctx context.Context) (gateway.Fleet, error) {
			s, err := client.Dial(ctx, "", client.WithHome(home), client.WithKey(key))
			if err != nil {
				return nil, err
			}
			session.Store(s)
			return s, nil
		}
		end = func() {
			if s := session.Load(); s != nil {
				if err := s.Close(); err != nil {
					fmt.Fprintf(a.Err, "warning: %v\n", err)
				}
			}
		}
	}
	g, err := gateway.New(o)
	return g, end, err
}
