package leaf

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

// Waits says how many answers wait in a leaf's folder for the relays, how many
// bytes they are, and since when something was last added to the oldest.
func Waits(dir string) (answers int, bytes int64, oldest time.Time, err error) {
	all, err := os.ReadDir(filepath.Join(dir, dirSpool))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, oldest, nil // it was never started
	}
	for _, e := range all {
		info, err := e.Info()
		if err != nil {
			continue // it was sent meanwhile
		}
		answers, bytes = answers+1, bytes+info.Size()
		if oldest.IsZero() || info.ModTime().Before(oldest) {
			oldest = info.ModTime()
		}
	}
	return answers, bytes, oldest, err
}

// Reach connects to one of the relays as a leaf does, and hangs up; it gives
// where it did.
func Reach(ctx context.Context, relays []string, cert tls.Certificate) (string, error) {
	ca, err := issuer(cert)
	if err != nil {
		return "", err
	}
	c, err := (&transport.Dialer{Addrs: relays, Pin: transport.PinOf(ca), Certificate: &cert}).Dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.RemoteAddr().String(), nil
}
