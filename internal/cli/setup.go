package cli

import (
	"errors"
	"fmt"
	"sync"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type setupCommand struct {
	Relay         []string `required:"" placeholder:"HOST:PORT" help:"Where a relay is. Repeatable: one is picked by chance, and the others if it is not there."`
	Pin           string   `required:"" placeholder:"sha256:…" help:"The pin of the relay's CA, from quaestor-relay pin DIR."`
	Administrator []string `placeholder:"KEY" help:"Whose policy to believe, the first time (default: the key that signs). Repeatable."`
	Proxy         string   `placeholder:"URL" help:"An HTTP proxy, or env for what HTTPS_PROXY says."`
	signerFlags   `embed:""`
}

// Run writes config.toml and tries it.
func (c *setupCommand) Run(a *app) error {
	home, err := a.home()
	if err != nil {
		return err
	}
	conf := &home.Config
	conf.Relays, conf.Pin, conf.Proxy = c.Relay, c.Pin, c.Proxy
	if c.Signer != "" {
		conf.Signer = c.Signer
	}
	if conf.Administrators, err = c.administrators(a); err != nil {
		return err
	}
	before, err := a.home()
	if err != nil {
		return err
	}
	if err := home.SaveConfig(); err != nil {
		return err
	}
	s, err := a.dial(c.signerFlags)
	if err != nil {
		if len(before.Config.Relays) > 0 {
			// What was known to be good is not given up for what is not.
			return errors.Join(err, before.SaveConfig())
		}
		return err
	}
	defer s.Close()
	_, err = fmt.Fprintf(a.Err, "%s; quaestor fleet shows who is there\n", value.EscapeText(describePolicy(s.Policy())))
	return err
}

// administrators gives the fingerprints of those whose first policy counts.
func (c *setupCommand) administrators(a *app) ([]string, error) {
	var out []string
	for _, ref := range c.Administrator {
		fp, err := signing.ParseFingerprint(ref)
		if err != nil {
			k, err := a.publicKey(ref)
			if err != nil {
				return nil, err
			}
			fp = k.Fingerprint()
		}
		out = append(out, string(fp))
	}
	if len(out) > 0 {
		return out, nil
	}
	k, err := a.publicKey(c.Signer)
	if err != nil {
		return nil, err
	}
	return []string{string(k.Fingerprint())}, nil
}

// home opens the folder of the one who asks.
func (a *app) home() (*client.Home, error) {
	dir, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	return client.OpenHome(dir.dir)
}

func (a *app) configuredSigner() (string, error) {
	home, err := a.home()
	if err != nil {
		return "", err
	}
	return home.Config.Signer, nil
}

func (a *app) configuredPin() (string, error) {
	home, err := a.home()
	if err != nil {
		return "", err
	}
	return home.Config.Pin, nil
}

// A link is a connection to a relay, with the session that plans for it.
type link struct {
	*client.Session
	local  *quaestor.LocalSession
	signer holder
	kept   bool // it stays for the next command
}

// Close ends both, unless the connection is kept.
func (l *link) Close() error { return errors.Join(l.disconnect(), l.local.Close()) }

// disconnect ends the connection, unless it is kept.
func (l *link) disconnect() error {
	if l.kept {
		return nil
	}
	return l.Session.Close()
}

// A keeper keeps the connection for commands that follow one another, so that
// a passphrase is asked for once.
type keeper struct {
	mu      sync.Mutex
	session *client.Session
	asks    holder // who proved himself to the relay

	opening sync.Mutex // held while a person may type a passphrase
	signer  holder
}

// open gives the signer, unlocked, and keeps it.
func (k *keeper) open(a *app, who signerFlags) (holder, error) {
	k.opening.Lock()
	defer k.opening.Unlock()
	if k.signer == nil {
		s, err := who.open(a)
		if err != nil {
			return nil, err
		}
		k.signer = s
	}
	return k.signer, nil
}

// connected says whether there is a connection already.
func (k *keeper) connected() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.session != nil
}

func (k *keeper) close() error {
	if k.session == nil {
		return nil
	}
	return k.session.Close()
}

// dial connects to the relay as the one who signs.
func (a *app) dial(who signerFlags) (*link, error) {
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		return nil, err
	}
	l, err := a.dialWith(who, local)
	if err != nil {
		return nil, errors.Join(err, local.Close())
	}
	return l, nil
}

func (a *app) dialWith(who signerFlags, local *quaestor.LocalSession) (*link, error) {
	if a.keeper == nil {
		return a.connect(who, local)
	}
	a.keeper.mu.Lock()
	defer a.keeper.mu.Unlock()
	if a.keeper.session == nil {
		// It outlives the command that is the first to need it, and the
		// session that plans for that one.
		own, err := quaestor.LocalWith(quaestor.Options{})
		if err != nil {
			return nil, err
		}
		l, err := a.connect(who, own)
		if err != nil {
			return nil, errors.Join(err, own.Close())
		}
		a.keeper.session, a.keeper.asks = l.Session, l.signer
	}
	return &link{Session: a.keeper.session, local: local, signer: a.keeper.asks, kept: true}, nil
}

// opened gives the signer, whom the prompt asks for a passphrase but once.
func (a *app) opened(who signerFlags) (holder, error) {
	if a.keeper == nil {
		return who.open(a)
	}
	return a.keeper.open(a, who)
}

func (a *app) connect(who signerFlags, local *quaestor.LocalSession) (*link, error) {
	home, err := a.home()
	if err != nil {
		return nil, err
	}
	if len(home.Config.Relays) == 0 {
		return nil, errors.New("no relay is known\nhint: quaestor setup --relay HOST:PORT --pin sha256:…, and quaestor demo needs none")
	}
	k, err := a.opened(who)
	if err != nil {
		return nil, err
	}
	s, err := client.Dial(a.ctx, "", client.WithHome(home), client.WithKey(k), client.WithLocal(local))
	if err != nil {
		return nil, err
	}
	return &link{Session: s, local: local, signer: k}, nil
}

type policyPublishCommand struct {
	File        string `arg:"" default:"policy.env" help:"The signed policy (default: ${default})."`
	signerFlags `embed:""`
}

// Run sends a policy to the relay.
func (c *policyPublishCommand) Run(a *app) error {
	p, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	if p.envelope == nil {
		return fmt.Errorf("%s is not signed\nhint: quaestor policy sign %s", c.File, c.File)
	}
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	next, err := s.Publish(a.ctx, p.envelope.Encode())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "version %d of the policy of %q is in force\n", next.Version(), value.EscapeText(next.Name()))
	return err
}
