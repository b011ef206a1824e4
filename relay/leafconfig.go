package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/relay/leaf"
)

// fileLeaf has the certificate of a leaf, the CA's behind it, and its key.
const fileLeaf = "leaf.pem"

// leafCertificateFor is how long the certificate of a leaf is good.
const leafCertificateFor = 2 * 365 * 24 * time.Hour

// LeafOptions say how a leaf is set up.
type LeafOptions struct {
	Name   string   // each has its own
	Listen string   // "" is ":7443"
	Hosts  []string // names and addresses that its agents reach it by
	Relays []string // host:port of relays that it is to have a line to, any of which does
	// Metrics is the loopback address on which it tells how it is; "": none.
	Metrics string
}

// NewLeaf sets a leaf up in a folder, from that of a relay, whose CA makes its
// certificate. The leaf gets no key of the relay's. In a folder that holds a
// leaf already the certificate alone is made anew.
func NewLeaf(relay, dir string, o LeafOptions) error {
	if len(o.Relays) == 0 || len(o.Hosts) == 0 {
		return errors.New("relay: a leaf needs a host that its agents reach it by, and a relay that it reaches")
	}
	for _, a := range o.Relays {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			return fmt.Errorf("relay: %q is no host:port", a)
		}
	}
	if err := (&Config{Metrics: o.Metrics}).checkMetrics(); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	ca, err := readCA(relay)
	if err != nil {
		return err
	}
	pair, err := ca.LeafCert(o.Name, o.Hosts, time.Now(), leafCertificateFor)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileLeaf), append(pair.CertPEM, pair.KeyPEM...), 0o600); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	name := filepath.Join(dir, fileConfig)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	return os.WriteFile(name, []byte(fmt.Sprintf(`# A leaf: it joins the agents of a site to relays over one line.
name = %q

# Where it listens for the agents.
listen = %q

# The relays of the fleet, any of which does.
leaf = [%s]

# What agents answered and the relays do not have yet is kept here, up to so
# many bytes. Beyond them agents keep it themselves.
keep_bytes = 20_000_000_000

# How many connections one address may hold.
connections_per_address = 4096

# Where it tells how it is, to Prometheus and quaestor-relay top: an address of
# this machine alone, such as "127.0.0.1:7480"; "" is nowhere.
metrics = %q
`, o.Name, or(o.Listen, ":7443"), list(o.Relays), o.Metrics)), 0o600)
}

// IsLeaf says whether a folder is that of a leaf.
func IsLeaf(dir string) bool {
	c := &Config{}
	_, err := toml.DecodeFile(filepath.Join(dir, fileConfig), c)
	return err == nil && len(c.Leaf) > 0
}

// OpenLeaf opens the leaf of a folder that NewLeaf made, and listens.
func OpenLeaf(dir string, log *slog.Logger) (*leaf.Leaf, error) {
	c, cert, err := readLeaf(dir)
	if err != nil {
		return nil, err
	}
	return leaf.Open(leaf.Options{
		Name: c.Name, Dir: dir, Listen: c.Listen, Relays: c.Leaf, Certificate: cert, Crowd: c.Crowd, Limit: c.KeepSize, Metrics: c.Metrics, Logger: log,
	})
}

func readLeaf(dir string) (*Config, tls.Certificate, error) {
	c := &Config{}
	meta, err := toml.DecodeFile(filepath.Join(dir, fileConfig), c)
	if err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("relay: %w", err)
	}
	for _, odd := range meta.Undecoded() {
		return nil, tls.Certificate{}, fmt.Errorf("relay: %s: no such setting: %s", fileConfig, odd)
	}
	for _, k := range meta.Keys() {
		switch k.String() {
		case "name", "listen", "leaf", "keep_bytes", "connections_per_address", "metrics":
		default:
			return nil, tls.Certificate{}, fmt.Errorf("relay: %s: %s is a setting of relays, and with leaf this is the leaf of one: remove it", fileConfig, k)
		}
	}
	if c.Name == "" || c.Listen == "" || c.KeepSize <= 0 {
		return nil, tls.Certificate{}, fmt.Errorf("relay: %s: name, listen and keep_bytes must say something", fileConfig)
	}
	if err := c.checkMetrics(); err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("relay: %s: %w", fileConfig, err)
	}
	pem := filepath.Join(dir, fileLeaf)
	cert, err := tls.LoadX509KeyPair(pem, pem)
	if err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("relay: %w", err)
	}
	return c, cert, nil
}
