package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/value"
)

type logWitnessCommand struct {
	New logWitnessNewCommand `cmd:"" help:"Make the key of a witness, in a folder of its own, and print what the policy names."`
	Run logWitnessRunCommand `cmd:"" help:"Sign checkpoints as they come, until Ctrl-C, or what must not be signed is shown."`
}

type logWitnessNewCommand struct {
	Dir   string   `arg:"" help:"The folder; it is made, and must stay: it remembers what was signed."`
	Name  string   `required:"" placeholder:"NAME" help:"What the witness is called in the policy, such as witness.example/one."`
	Relay []string `placeholder:"HOST:PORT" help:"The relay; may be given again (default: that of quaestor setup)."`
	Pin   string   `placeholder:"sha256:…" help:"What the relay is known by (default: that of quaestor setup)."`
	Log   string   `required:"" placeholder:"KEY" help:"The key of the log: quaestor-relay log prints it."`
}

type logWitnessRunCommand struct {
	Dir  string `arg:"" help:"The folder that new made."`
	Once bool   `help:"Sign what there is, and leave."`
}

// The files of a witness's folder.
const (
	witnessFile = "witness.toml"
	witnessKey  = "witness.key"
)

// A witnessConfig is what the first of them says.
type witnessConfig struct {
	Relays []string `toml:"relays"`
	Pin    string   `toml:"pin"`
	Log    string   `toml:"log"` // its key
}

// Run makes a witness.
func (c *logWitnessNewCommand) Run(a *app) error {
	conf := witnessConfig{Relays: c.Relay, Pin: c.Pin, Log: c.Log}
	if len(conf.Relays) == 0 || conf.Pin == "" {
		home, err := a.home()
		if err != nil {
			return err
		}
		if len(conf.Relays) == 0 {
			conf.Relays = home.Config.Relays
		}
		if conf.Pin == "" {
			conf.Pin = home.Config.Pin
		}
	}
	if err := conf.check(); err != nil {
		return err
	}
	private, public, err := translog.NewWitnessKey(c.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, witnessKey), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s holds a witness already", c.Dir)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(private + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	text, err := toml.Marshal(conf)
	if err == nil {
		err = wholefile.Keep(filepath.Join(c.Dir, witnessFile), 0o600, text)
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.Out, public); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "hint: name it in witnesses of [log] in the policy, then: quaestor log witness run %s\n", c.Dir)
	return err
}

func (c witnessConfig) check() error {
	if len(c.Relays) == 0 || c.Pin == "" {
		return fmt.Errorf("%w\nhint: --relay HOST:PORT --pin sha256:…", client.ErrNoRelay)
	}
	if err := transport.CheckPin(c.Pin); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	_, err := translog.ParseKeys(c.Log, nil, 0)
	return err
}

// openWitness takes up the witness of a folder.
func openWitness(dir string) (*translog.Witness, witnessConfig, error) {
	var c witnessConfig
	meta, err := toml.DecodeFile(filepath.Join(dir, witnessFile), &c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c, fmt.Errorf("%s is the folder of no witness\nhint: quaestor log witness new %s makes one", dir, dir)
	}
	if err != nil {
		return nil, c, err
	}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return nil, c, fmt.Errorf("%s: there is no setting %q", witnessFile, odd[0])
	}
	if err := c.check(); err != nil {
		return nil, c, fmt.Errorf("%s: %w", witnessFile, err)
	}
	key, err := readBounded(filepath.Join(dir, witnessKey), 4<<10)
	if err != nil {
		return nil, c, err
	}
	w, err := translog.OpenWitness(dir, strings.TrimSpace(string(key)), c.Log, time.Now)
	return w, c, err
}

// witnessAgain is how long a witness waits for a relay that is away.
const witnessAgain = 2 * time.Second

// Run witnesses. A relay that is away is waited for; a fork ends it, and its
// exit code is 1.
func (c *logWitnessRunCommand) Run(a *app) error {
	w, conf, err := openWitness(c.Dir)
	if err != nil {
		return err
	}
	watch := client.Watch{Relays: conf.Relays, Pin: conf.Pin, Once: c.Once, Signed: func(p translog.Checkpoint) {
		fmt.Fprintf(a.Err, "signed the checkpoint of %s\n", counted(int(p.Size), "entry", "entries"))
	}}
	for {
		err := watch.Run(a.ctx, w)
		switch {
		case a.ctx.Err() != nil:
			return &exit{code: ExitInterrupted}
		case errors.Is(err, translog.ErrFork), errors.Is(err, translog.ErrRollback):
			return hintOfLog(err)
		case c.Once:
			return err
		}
		fmt.Fprintf(a.Err, "no relay: %s\n", value.EscapeText(fmt.Sprint(err)))
		if !pause(a.ctx, witnessAgain) {
			return &exit{code: ExitInterrupted}
		}
	}
}

// pause waits; no where ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
