package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
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
	Name   string   `toml:"name"`
	Listen string   `toml:"listen"`
	Hosts  []string `toml:"hosts"`
	NATS   string   `toml:"nats"`
	// NATSCA and NATSCredentials are files, where a cluster elsewhere asks for them.
	NATSCA          string `toml:"nats_ca"`
	NATSCredentials string `toml:"nats_credentials"`
	Replicas        int    `toml:"replicas"`
	Cluster
	KeepFor  string `toml:"keep_for"`
	KeepSize int64  `toml:"keep_bytes"`
	Crowd    int    `toml:"connections_per_address"`
	// Metrics is the loopback address on which it tells how it is; "" is none.
	Metrics string `toml:"metrics"`
	// Leaf are the relays that a leaf has a line to; of a relay it is empty.
	Leaf []string `toml:"leaf"`

	dir     string
	keepFor time.Duration
}

// InitOptions say how a relay is set up.
type InitOptions struct {
	Name   string   // for people; "" is "relay"
	Listen string   // "" is ":7443"
	Hosts  []string // names and addresses that agents and investigators reach it by; nil: localhost
	Policy []byte   // the envelope of the fleet's first policy
	Like   string   // the folder of another relay of the same fleet: its CA, its log's key and its policy become this one's
	// Cluster joins the spines of several relays, which keep Replicas copies; 0
	// is one for each relay, and at most three.
	Cluster  Cluster
	Replicas int
	Metrics  string // the loopback address on which it tells how it is; "": none
}

// Init sets a relay up in a folder: its CA, its configuration, the key
// of its log, the fleet's first policy. A folder that holds a relay already is
// refused, and settings that cannot be.
func Init(dir string, o InitOptions) error {
	if _, err := os.Stat(filepath.Join(dir, fileConfig)); err == nil {
		return fmt.Errorf("relay: %s holds a relay already", dir)
	}
	o.defaults()
	files, err := o.files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	var errs []error
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = LogKey(dir)
	return err
}

// files gives what Init writes, but for the key of a log that is new.
func (o *InitOptions) files() (map[string][]byte, error) {
	c := Config{Name: o.Name, Replicas: o.Replicas, Cluster: o.Cluster, Metrics: o.Metrics}
	if err := errors.Join(c.checkCluster(), c.checkMetrics()); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	out := map[string][]byte{fileConfig: []byte(o.config())}
	if o.Like != "" {
		for _, name := range []string{fileCA, fileCAKey, filePolicy, fileLogKey} {
			text, err := os.ReadFile(filepath.Join(o.Like, name))
			if err != nil {
				return nil, fmt.Errorf("relay: the other relay: %w", err)
			}
			out[name] = text
		}
		other, err := readConfig(o.Like)
		if errors.Is(err, fs.ErrNotExist) {
			return out, nil // a folder with what the relays have in common
		}
		if err == nil && other.Name == o.Name {
			err = fmt.Errorf("relay: the other relay is called %q, too: each needs a name of its own", o.Name)
		}
		return out, err
	}
	e, err := signing.ParseEnvelope(o.Policy)
	if err != nil {
		return nil, fmt.Errorf("relay: the policy: %w", err)
	}
	if _, err := firstPolicy(e); err != nil {
		return nil, fmt.Errorf("relay: the policy: %w", err)
	}
	ca, err := transport.NewCA(o.Name, time.Now())
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	out[filePolicy] = o.Policy
	if out[fileCA], out[fileCAKey], err = ca.PEM(); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return out, nil
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
	if o.Replicas == 0 {
		o.Replicas = min(len(o.Cluster.Routes)+1, maxCopies)
	}
}

// maxCopies is how many copies there are where nobody says how many: with three
// the loss of any one loses nothing.
const maxCopies = 3

// list gives strings as TOML has them.
func list(of []string) string {
	quoted := make([]string, len(of))
	for i, s := range of {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(quoted, ", ")
}

func (o *InitOptions) config() string {
	return fmt.Sprintf(`# What agents and investigators are told the relay is called. Of several relays
# of a fleet each has a name of its own, which stays.
name = %q

# Where it listens. One port serves everyone.
listen = %q

# The names and addresses by which it is reached. They stand in its
# certificate, which is made anew at every start.
hosts = [%s]

# Where it keeps plans, facts and sealed answers: "" is in this folder; a URL,
# such as "nats://10.0.0.1:4222", is a NATS cluster with JetStream.
nats = ""

# Where that cluster asks for them: files with its CA, and with credentials.
nats_ca = ""
nats_credentials = ""

# Where several relays keep things together, each in its own folder: what the
# cluster is called, the same at all of them, where this one listens for the
# others, and where each other listens; what the others reach this one by, where
# that is another address than it comes from. They prove themselves with certificates
# of the CA in this folder, or with those that the three files hold.
cluster_name = %q
cluster_listen = %q
cluster_routes = [%s]
cluster_advertise = %q
cluster_ca = %q
cluster_certificate = %q
cluster_key = %q

# How many copies there are of everything. With three, the loss of one relay
# loses nothing, and nothing is taken that not two of them hold.
replicas = %d

# Answers are forgotten so long after their plan expired, and the oldest ones
# sooner where all together are larger than this, in bytes.
keep_for = "720h"
keep_bytes = 20_000_000_000

# How many connections one address may hold: as many as there are machines
# behind one NAT.
connections_per_address = 4096

# Where it tells how it is, to Prometheus and quaestor-relay top: an address of
# this machine alone, such as "127.0.0.1:7480"; "" is nowhere.
metrics = %q
`, o.Name, o.Listen, list(o.Hosts), o.Cluster.Name, o.Cluster.Listen, list(o.Cluster.Routes), o.Cluster.Advertise, o.Cluster.CA, o.Cluster.Certificate, o.Cluster.Key, o.Replicas, o.Metrics)
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
	if len(c.Leaf) > 0 {
		return nil, fmt.Errorf("relay: %s: leaf says that this is the leaf of other relays, and not a relay itself", fileConfig)
	}
	if c.keepFor, err = time.ParseDuration(c.KeepFor); err != nil {
		return nil, fmt.Errorf("relay: %s: keep_for: %w", fileConfig, err)
	}
	if err := errors.Join(c.checkCluster(), c.checkMetrics()); err != nil {
		return nil, fmt.Errorf("relay: %s: %w", fileConfig, err)
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
	if err := os.Remove(filepath.Join(dir, fileTickets)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("relay: %w", err)
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
