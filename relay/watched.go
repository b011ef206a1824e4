package relay

import (
	"fmt"
	"path/filepath"

	"github.com/quaestor-engine/quaestor/relay/watch"
)

// checkMetrics says what of the settings of who may watch cannot be.
func (c *Config) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	if err := watch.CheckAddress(c.Metrics); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// MetricsAddress gives the loopback address on which the relay of a folder tells
// how it is, or the leaf.
func MetricsAddress(dir string) (string, error) {
	var c *Config
	var err error
	what := "relay"
	if IsLeaf(dir) {
		what = "leaf"
		c, _, err = readLeaf(dir)
	} else {
		c, err = readConfig(dir)
	}
	if err != nil {
		return "", err
	}
	if c.Metrics == "" {
		return "", fmt.Errorf("relay: the %s of %s tells nobody how it is: say metrics = \"127.0.0.1:7480\" in %s, and start it again", what, dir, filepath.Join(dir, fileConfig))
	}
	return c.Metrics, nil
}

// openWatch begins to listen for those who watch.
func (r *Relay) openWatch() error {
	if r.cfg.Metrics == "" {
		return nil
	}
	var err error
	if r.watch, err = watch.Listen(r.cfg.Metrics, watched{r}); err != nil {
		return fmt.Errorf("relay: metrics: %w", err)
	}
	return nil
}

func (r *Relay) serveWatch() {
	if r.watch == nil {
		return
	}
	if err := r.watch.Serve(); err != nil {
		r.log.Error("nobody can watch this relay any more", "why", err)
	}
}

func (r *Relay) closeWatch() error {
	if r.watch == nil {
		return nil
	}
	return r.watch.Close()
}
