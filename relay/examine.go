package relay

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/internal/room"
	"github.com/quaestor-engine/quaestor/relay/leaf"
	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/value"
)

// A Finding is what Examine says of one thing.
type Finding struct {
	What  string
	Says  string
	Wrong bool
}

// leafSoon is how long before its end the certificate of a leaf is wrong.
const leafSoon = 60 * 24 * time.Hour

// Examine looks at the folder of a relay, or of a leaf, and says how it is set
// up, and what is wrong. It changes nothing, and the program may run meanwhile.
func Examine(ctx context.Context, dir string) []Finding {
	if IsLeaf(dir) {
		return examineLeaf(ctx, dir)
	}
	c, err := readConfig(dir)
	if err != nil {
		return []Finding{{"settings", err.Error(), true}}
	}
	out := []Finding{{"settings", fmt.Sprintf("a relay called %s, which listens on %s", c.Name, c.Listen), false}}
	if pin, err := Pin(dir); err != nil {
		out = append(out, Finding{"CA", err.Error(), true})
	} else {
		out = append(out, Finding{"CA", "its pin is " + pin, false})
	}
	out = append(out, examineDisk(dir, c.KeepSize))
	if c.Metrics == "" {
		return append(out, Finding{"now", "metrics names no address, so that it is not to be seen how it is", false})
	}
	return append(out, examineNow(ctx, c.Metrics)...)
}

// examineNow asks the relay, or the leaf, that runs.
func examineNow(ctx context.Context, addr string) (out []Finding) {
	r, err := watch.Read(ctx, addr)
	if err != nil {
		return []Finding{{"now", err.Error(), true}}
	}
	for _, text := range watch.Compare(r, r).Faults() {
		out = append(out, Finding{"now", text, true})
	}
	if len(out) == 0 {
		out = append(out, Finding{"now", "it runs, and nothing is wrong", false})
	}
	return out
}

func examineDisk(dir string, keep int64) Finding {
	d, err := room.Of(dir)
	if err != nil {
		return Finding{"disk", err.Error(), true}
	}
	return Finding{"disk", fmt.Sprintf("%d bytes are free, and keep_bytes is %d", d.Free, keep), d.Free < d.Size/10}
}

func examineLeaf(ctx context.Context, dir string) []Finding {
	c, cert, err := readLeaf(dir)
	if err != nil {
		return []Finding{{"settings", err.Error(), true}}
	}
	out := []Finding{{"settings", fmt.Sprintf("the leaf %s of a site, which listens on %s", c.Name, c.Listen), false}, examineDisk(dir, c.KeepSize)}
	if x, err := x509.ParseCertificate(cert.Certificate[0]); err != nil {
		out = append(out, Finding{"certificate", err.Error(), true})
	} else {
		says := "good until " + x.NotAfter.UTC().Format(time.DateOnly)
		soon := time.Until(x.NotAfter) < leafSoon
		if soon {
			says += "; make the next one: quaestor-relay leaf, as at first, and bring leaf.pem here"
		}
		out = append(out, Finding{"certificate", says, soon})
	}
	answers, bytes, oldest, err := leaf.Waits(dir)
	switch {
	case err != nil:
		out = append(out, Finding{"spool", err.Error(), true})
	case answers == 0:
		out = append(out, Finding{"spool", "nothing waits for the relays", false})
	default:
		age := time.Since(oldest).Truncate(time.Second)
		out = append(out, Finding{"spool", fmt.Sprintf("%d answers, %d bytes, wait for the relays, the oldest for %s", answers, bytes, value.FormatDuration(age)), age > time.Hour})
	}
	if at, err := leaf.Reach(ctx, c.Leaf, cert); err != nil {
		out = append(out, Finding{"line", err.Error(), true})
	} else {
		out = append(out, Finding{"line", "a relay can be reached at " + at, false})
	}
	if c.Metrics != "" {
		out = append(out, examineNow(ctx, c.Metrics)...)
	}
	return out
}
