package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
)

// The files of a relay's folder.
const (
	fileConfig = "relay.toml"
	fileCA     = "ca.pem"
	fileCAKey  = "ca.key"
	filePolicy = "policy.env"
)

// certificateFor is how long the relay's own certificate is good. It is made
// anew at every start, and the CA's pin stays.
const certificateFor = 90 * 24 * time.Hour

// A Config is what relay.toml says.
type Config struct {
	Name     string   `toml:"name"`
	Listen   string   `toml:"listen"`
	Hosts    []string `toml:"hosts"`
	NATS     string   `toml:"nats"`
	Replicas int      `toml:"replicas"`
	KeepFor  string   `toml:"keep_for"`
	KeepSize int64    `toml:"keep_bytes"`
	Crowd    int      `toml:"connections_per_address"`

	dir     string
	keepFor time.Duration
}

// InitOptions say how a relay is set up.
type InitOptions struct {
	Name   string   // for people; "" is "relay"
	Listen string   // "" is ":7443"
	Hosts  []string // names and addresses that agents and investigators reach it by; nil: localhost
	Policy []byte   // the envelope of the fleet's first policy
}

// Init sets a relay up in a folder: its CA, its configuration, the key
// of its log, the fleet's first policy. A folder that holds a relay already is refused.
func Init(dir string, o InitOptions) error {
	if _, err := os.Stat(filepath.Join(dir, fileConfig)); err == nil {
		return fmt.Errorf("relay: %s holds a relay already", dir)
	}
	e, err := signing.ParseEnvelope(o.Policy)
	if err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	if _, err := firstPolicy(e); err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	o.defaults()
	ca, err := transport.NewCA(o.Name, time.Now())
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	cert, key, err := ca.PEM()
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	var errs []error
	for name, text := range map[string][]byte{
		fileCA: cert, fileCAKey: key, filePolicy: o.Policy, fileConfig: []byte(o.config()),
	} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = LogKey(dir)
	return err
}

func (o *InitOptions) defaults() {
	if o.Name == "" {
		o.Name = "relay"
	}
	if o.Listen == "" {
		o.Listen = ":7443"
	}
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
}

func (o *InitOptions) config() string {
	quoted := make([]string, len(o.Hosts))
	for i, h := range o.Hosts {
		quoted[i] = fmt.Sprintf("%q", h)
	}
	return fmt.Sprintf(`# What agents and investigators are told the relay is called.
name = %q

# Where it listens. One port serves everyone.
listen = %q

# The names and addresses by which it is reached. They stand in its
# certificate, which is made anew at every start.
hosts = [%s]

# Where it keeps plans, facts and sealed answers: "" is in this folder; a URL,
# such as "nats://10.0.0.1:4222", is a NATS cluster with JetStream.
nats = ""

# How many copies a cluster keeps of everything.
replicas = 1

# Answers are forgotten so long after their plan expired, and the oldest ones
# sooner where all together are larger than this, in bytes.
keep_for = "720h"
keep_bytes = 20_000_000_000

# How many connections one address may hold: as many as there are machines
# behind one NAT.
connections_per_address = 4096
`, o.Name, o.Listen, strings.Join(quoted, ", "))
}

// readConfig reads the configuration of a relay's folder.
func readConfig(dir string) (*Config, error) {
	c := &Config{dir: dir}
	meta, err := toml.DecodeFile(filepath.Join(dir, fileConfig), c)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return nil, fmt.Errorf("relay: %s: no such setting: %s", fileConfig, odd[0])
	}
	if c.keepFor, err = time.ParseDuration(c.KeepFor); err != nil {
		return nil, fmt.Errorf("relay: %s: keep_for: %w", fileConfig, err)
	}
	if c.Listen == "" || len(c.Hosts) == 0 || c.KeepSize <= 0 || c.keepFor <= 0 {
		return nil, fmt.Errorf("relay: %s: listen, hosts, keep_for and keep_bytes must say something", fileConfig)
	}
	if meta.IsDefined("connections_per_address") && c.Crowd < 1 {
		return nil, fmt.Errorf("relay: %s: connections_per_address is %d, and nobody could connect", fileConfig, c.Crowd)
	}
	return c, nil
}

// readCA reads the CA of a relay's folder.
func readCA(dir string) (*transport.CA, error) {
	cert, err := os.ReadFile(filepath.Join(dir, fileCA))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, fileCAKey))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	ca, err := transport.ReadCA(append(cert, key...))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return ca, nil
}

// NewCA gives the relay of a folder another CA: for one whose keys are known to
// others. It counts from the relay's next start. Agents and investigators know
// a relay by its CA, and have to be told of the new pin.
func NewCA(dir string) (pin string, err error) {
	cfg, err := readConfig(dir)
	if err != nil {
		return "", err
	}
	ca, err := transport.NewCA(cfg.Name, time.Now())
	if err != nil {
		return "", fmt.Errorf("relay: %w", err)
	}
	cert, key, err := ca.PEM()
	if err != nil {
		return "", fmt.Errorf("relay: %w", err)
	}
	for name, text := range map[string][]byte{fileCA: cert, fileCAKey: key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("relay: %w", err)
		}
	}
	return ca.Pin(), nil
}

// Pin gives what agents and investigators know the relay of a folder by.
func Pin(dir string) (string, error) {
	ca, err := readCA(dir)
	if err != nil {
		return "", err
	}
	return ca.Pin(), nil
}

func serverCertificate(ca *transport.CA, hosts []string) (tls.Certificate, error) {
	pair, err := ca.ServerCert(hosts, time.Now(), certificateFor)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pair.TLS()
}

// firstPolicy reads a policy that was handed in by whoever runs the relay: he
// could hand in any, so it is enough that its own administrators signed it.
func firstPolicy(e *signing.Envelope) (*signing.Policy, error) {
	p, err := signing.ParsePolicy(e.Payload)
	if err != nil {
		return nil, err
	}
	var all []signing.Fingerprint
	for _, a := range p.Administrators() {
		all = append(all, a.Key.Fingerprint())
	}
	return signing.FirstPolicy(e, all, time.Now())
}
