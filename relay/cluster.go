package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/quaestor-engine/quaestor/transport"
)

// A Cluster is what relay.toml says of the other relays of the fleet, where
// each has a spine in its process and they join.
type Cluster struct {
	Name   string   `toml:"cluster_name"`   // the same at all of them; "" is that there are no others
	Listen string   `toml:"cluster_listen"` // host:port, for the others alone
	Routes []string `toml:"cluster_routes"` // host:port of each other
	// Advertise is the host:port by which the others reach this one, where that
	// is not the address that it comes from with the port that it listens on.
	Advertise   string `toml:"cluster_advertise"`
	CA          string `toml:"cluster_ca"` // files, in the place of what the relays' CA makes
	Certificate string `toml:"cluster_certificate"`
	Key         string `toml:"cluster_key"`
}

// The folders of what a spine in this process keeps: one alone cannot read what
// several have, nor the other way round.
const (
	dirSpine   = "spine"
	dirCluster = "cluster"
)

// Bounds of what is between relays.
const (
	peerPing     = 2 * time.Second // after so much silence a relay is asked whether it lives,
	peerPings    = 2               // so often
	peerTLS      = 10.0            // seconds for a handshake
	peerAttempts = 1 << 30         // for ever: the others may be started tomorrow
)

// clustered says whether there are other relays whose spines join this one's.
func (c *Config) clustered() bool { return c.NATS == "" && c.Cluster.Name != "" }

// replicas is how many copies there are of everything.
func (c *Config) replicas() int { return max(1, c.Replicas) }

// checkCluster says what of the settings cannot be.
func (c *Config) checkCluster() error {
	k := &c.Cluster
	given := 0
	for _, s := range []string{k.CA, k.Certificate, k.Key} {
		if s != "" {
			given++
		}
	}
	switch {
	case k.Name == "" && (k.Listen != "" || len(k.Routes) > 0):
		return errors.New("cluster_listen and cluster_routes say something, and cluster_name does not")
	case k.Name == "":
		if c.NATS == "" && c.Replicas > 1 {
			return fmt.Errorf("replicas is %d, and there is no other relay to hold a copy: set cluster_name or nats", c.Replicas)
		}
		return nil
	case c.NATS != "":
		return errors.New("nats names a cluster elsewhere, so that cluster_name must be empty")
	case k.Listen == "" || len(k.Routes) == 0:
		return errors.New("with cluster_name, cluster_listen and cluster_routes must say something")
	case c.Replicas > len(k.Routes)+1:
		return fmt.Errorf("replicas is %d, and cluster_routes names %d other relays", c.Replicas, len(k.Routes))
	case given != 0 && given != 3:
		return errors.New("cluster_ca, cluster_certificate and cluster_key go together")
	}
	for _, a := range append([]string{k.Listen, or(k.Advertise, k.Listen)}, k.Routes...) {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			return fmt.Errorf("%q is no host:port", a)
		}
	}
	return nil
}

// joinCluster has a server join those of the other relays, over TLS in which
// both ends prove themselves.
func (c *Config) joinCluster(o *server.Options, ca *transport.CA) error {
	if _, err := os.Stat(filepath.Join(c.dir, dirSpine, "jetstream")); err == nil {
		return fmt.Errorf("relay: %s holds what this relay kept when it was alone, and the cluster would begin without it: move it away, if it may", filepath.Join(c.dir, dirSpine))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("relay: %w", err)
	}
	conf, err := c.peerTLS(ca)
	if err != nil {
		return fmt.Errorf("relay: the cluster: %w", err)
	}
	host, text, err := net.SplitHostPort(c.Cluster.Listen)
	if err != nil {
		return fmt.Errorf("relay: the cluster: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("relay: the cluster: port %q is no number", text)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	for _, route := range c.Cluster.Routes {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: route})
	}
	o.ServerName, o.StoreDir = "relay-"+c.key(), filepath.Join(c.dir, dirCluster)
	o.Cluster = server.ClusterOpts{
		Name: c.Cluster.Name, Host: host, Port: port, Advertise: c.Cluster.Advertise, TLSConfig: conf, TLSTimeout: peerTLS, NoAdvertise: true,
		ConnectRetries: peerAttempts, PingInterval: peerPing, MaxPingsOut: peerPings,
	}
	return nil
}

// peerTLS gives what relays prove themselves to each other with.
func (c *Config) peerTLS(ca *transport.CA) (*tls.Config, error) {
	k := &c.Cluster
	if k.CA == "" {
		return ca.PeerTLS(), nil
	}
	at := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(c.dir, name)
	}
	pair, err := tls.LoadX509KeyPair(at(k.Certificate), at(k.Key))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(at(k.CA))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", k.CA)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

// key is what this relay is called on the spine: its name, in a spelling that
// any name has there.
func (c *Config) key() string {
	sum := sha256.Sum256([]byte(c.Name))
	return hex.EncodeToString(sum[:8])
}

// natsOptions are what a spine elsewhere is joined with.
func (c *Config) natsOptions() []nats.Option {
	var out []nats.Option
	at := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(c.dir, name)
	}
	if c.NATSCA != "" {
		out = append(out, nats.RootCAs(at(c.NATSCA)))
	}
	if c.NATSCredentials != "" {
		out = append(out, nats.UserCredentials(at(c.NATSCredentials)))
	}
	return out
}

// or gives the first string that says something.
func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
