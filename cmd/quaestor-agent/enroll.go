package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/quaestor-engine/quaestor/agent"
)

type enrollCommand struct {
	Relay     []string `help:"A relay, HOST or HOST:PORT; may be given again." required:"" placeholder:"HOST:PORT"`
	TokenFile string   `help:"The file that holds the token of an administrator; - is standard input (default: $$QUAESTOR_TOKEN)." placeholder:"FILE"`
	Proxy     string   `help:"\"env\" for what HTTPS_PROXY says, or http://HOST:PORT; a password can stand in HTTPS_PROXY, and later in agent.toml." placeholder:"URL"`
	Again     bool     `help:"This folder is an agent's already: bring it to this relay, or to this token, with its journal and its identity."`
	Tag       []string `help:"What this machine is to be known as; may be given again." placeholder:"KEY=VALUE"`
}

// Run makes this machine an agent.
func (c *enrollCommand) Run(s *system) error {
	if u, err := url.Parse(c.Proxy); err == nil && u.User != nil {
		return errors.New("--proxy: other users of the machine can see arguments, so a password cannot stand in one\nhint: HTTPS_PROXY=… quaestor-agent enroll --proxy env")
	}
	token := os.Getenv("QUAESTOR_TOKEN")
	if c.TokenFile != "" {
		b, err := readToken(c.TokenFile)
		if err != nil {
			return err
		}
		token = string(b)
	}
	if token == "" {
		return errors.New("a token is needed: --token-file or QUAESTOR_TOKEN")
	}
	id, err := agent.Enroll(s.ctx, agent.EnrollOptions{Dir: s.dir, Relays: c.Relay, Token: token, Proxy: c.Proxy, Tags: c.Tag, Again: c.Again})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "enrolled as agent %s in %s\nhint: quaestor-agent run, or quaestor-agent install-service\n", id, s.dir)
	return err
}

func readToken(name string) ([]byte, error) {
	const most = 64 << 10 // as signing.MaxToken
	in := io.ReadCloser(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in = f
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, most+1))
}
