package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/value"
)

// The files of an agent's folder. Only its user may read them.
const (
	configFile     = "agent.toml"   // to be edited
	tagsFile       = "tags"         // to be edited
	identityFile   = "identity.pem" // the agent's own key
	membershipFile = "membership"   // the chain from an administrator to that key
	policyFile     = "policy.env"   // the envelope of the policy in force
	tlsFile        = "tls.pem"      // the certificate by the relay's CA, and its key
	statusFile     = "status.json"  // what the running agent says of itself
	spoolDir       = "spool"        // answers that no relay has taken
	journalDir     = "journal"      // what was asked
	maxFile        = 128 << 20      // bytes that are read of any of them
	maxRelays      = 32             // addresses
	maxConcurrent  = 64             // plans at once
	maxSpool       = 1 << 20        // MiB
	maxCPU         = 100 * 1024     // percent
	maxMiB         = 1 << 30        // MiB, a PiB
	leastFiles     = 32             // open at once, of which the runtime has some
)

// ErrConfig says that agent.toml cannot be obeyed as it stands, which its owner
// can mend.
var ErrConfig = errors.New(configFile)

// A config is agent.toml.
type config struct {
	Relays     []string `toml:"relays"`
	Pin        string   `toml:"pin"`
	Proxy      string   `toml:"proxy"`
	Concurrent int      `toml:"concurrent"`
	Spool      int64    `toml:"spool_mib"`
	Sandbox    string   `toml:"sandbox"`
	CPU        int64    `toml:"cpu"`
	Memory     int64    `toml:"memory_mib"`
	Timeout    length   `toml:"timeout"`
	Rows       int64    `toml:"rows"`
	Read       int64    `toml:"read_mib"`
	Sent       int64    `toml:"sent_mib"`
	OpenFiles  int64    `toml:"open_files"`
	IO         string   `toml:"io"`
	Upgrade    *bool    `toml:"upgrade"` // nil: unless a package manager has the program
}

// A length is a time in the words of a query: "10m", "2h"; "" and 0 for none.
type length time.Duration

// UnmarshalText reads one.
func (l *length) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = 0
		return nil
	}
	d, err := value.ParseDuration(string(text))
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is less than nothing", text)
	}
	*l = length(d)
	return err
}

func (l length) String() string {
	if l == 0 {
		return ""
	}
	return value.FormatDuration(time.Duration(l))
}

const configText = `# What quaestor-agent was told when it was enrolled. It reads this when it starts.

# The relays, tried in an order that chance picks anew each time: agents spread
# over them evenly.
relays = [%s]

# The relays' CA is known by this, whatever they call themselves.
pin = %q

# "" for none, "env" for what HTTPS_PROXY says, or http://user:password@host:port.
proxy = %q

# Plans that run at once; the policy may allow fewer.
concurrent = %d

# What may wait on disk for a relay, in MiB. When that is full scans wait, too.
spool_mib = %d

# "on": scans run in a process of their own, which may read and do nothing else.
# "off": in the process that holds the keys. The status and the facts say which,
# and "partial" where this system does not keep that process from all that it could.
sandbox = %q

# What all plans together may use, by their processes: percent of one processor
# over time, and MiB of memory at once. 0: as much as they ask for.
cpu = %d
memory_mib = %d

# What each plan is held to here, whatever it and the policy say; what it had
# found until then is kept. "" and 0: nothing beside those.
timeout = %q
rows = %d
read_mib = %d
sent_mib = %d
open_files = %d

# The best that a plan may ask for when it wants the disk: "idle", when nobody
# else does; "low", behind others; "normal", as others do.
io = %q
`

// The words of sandbox. Partial is said of children that the system does not
// keep from all that it could, unknown before there was one; neither can be asked
// for.
const (
	sandboxOn      = "on"
	sandboxPartial = "partial"
	sandboxOff     = "off"
	sandboxUnknown = "unknown"
)

const tagsText = `# What this machine is to be known as, one a line: key = value
# A tag that came with the enrolment token is the administrator's word and
# cannot be changed here.
`

// text gives agent.toml.
func (c config) text() []byte {
	quoted := make([]string, len(c.Relays))
	for i, r := range c.Relays {
		quoted[i] = fmt.Sprintf("%q", r)
	}
	text := fmt.Appendf(nil, configText, strings.Join(quoted, ", "), c.Pin, c.Proxy, c.Concurrent, c.Spool, c.Sandbox, c.CPU, c.Memory,
		c.Timeout.String(), c.Rows, c.Read, c.Sent, c.OpenFiles, c.IO)
	return append(text, c.upgradeText()...)
}

// newConfig gives the configuration of a new agent.
func newConfig(relays []string, pin, proxy string) config {
	return config{Relays: relays, Pin: pin, Proxy: proxy, Concurrent: 4, Spool: defaultDisk >> 20, Sandbox: sandboxOn, IO: plan.IONormal.String()}
}

// readConfig reads agent.toml. A key that is not known is an error: it is
// misspelt, and would have no effect.
func readConfig(dir string) (config, error) {
	c := newConfig(nil, "", "")
	b, err := readFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%w: there is no %s in %s", ErrNotEnrolled, configFile, dir)
	}
	if err != nil {
		return c, err
	}
	meta, err := toml.Decode(string(b), &c)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return c, fmt.Errorf("%w: %s is not known", ErrConfig, extra[0])
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// check says what is wrong with a configuration.
func (c config) check() error {
	switch {
	case len(c.Relays) == 0:
		return errors.New("relays names none")
	case len(c.Relays) > maxRelays:
		return fmt.Errorf("relays names %d, and %d are allowed", len(c.Relays), maxRelays)
	case c.Concurrent < 1 || c.Concurrent > maxConcurrent:
		return fmt.Errorf("concurrent is %d, and must be from 1 to %d", c.Concurrent, maxConcurrent)
	case c.Spool < 1 || c.Spool > maxSpool:
		return fmt.Errorf("spool_mib is %d, and must be from 1 to %d", c.Spool, maxSpool)
	case c.CPU < 0 || c.CPU > maxCPU:
		return fmt.Errorf("cpu is %d, and must be from 0 to %d", c.CPU, maxCPU)
	case c.Memory < 0 || c.Rows < 0 || c.Read < 0 || c.Sent < 0:
		return errors.New("memory_mib, rows, read_mib and sent_mib must not be below 0")
	case c.Memory > maxMiB || c.Read > maxMiB || c.Sent > maxMiB:
		return fmt.Errorf("memory_mib, read_mib and sent_mib must be at most %d, or 0 for no bound", int64(maxMiB))
	case c.Memory > 0 && c.Memory < beside>>20:
		return fmt.Errorf("memory_mib is %d, and one process that looks needs %d", c.Memory, beside>>20)
	case c.OpenFiles != 0 && c.OpenFiles < leastFiles:
		return fmt.Errorf("open_files is %d, and must be at least %d, or 0 for no bound", c.OpenFiles, leastFiles)
	case (c.CPU > 0 || c.Memory > 0 || c.OpenFiles > 0) && c.Sandbox == sandboxOff:
		return errors.New("cpu, memory_mib and open_files are held by the sandbox, and that is off")
	case c.Sandbox != sandboxOn && c.Sandbox != sandboxOff:
		return fmt.Errorf("sandbox is %q, and must be %q or %q", c.Sandbox, sandboxOn, sandboxOff)
	}
	if _, ok := plan.ParseIO(c.IO); !ok {
		return fmt.Errorf("io is %q, and must be one of %s", c.IO, strings.Join(plan.IOWords(), ", "))
	}
	if err := transport.CheckPin(c.Pin); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	if err := transport.CheckProxy(c.Proxy); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// readFile reads a file of the folder, of at most maxFile bytes.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, which is too much", name, info.Size())
	}
	return os.ReadFile(name)
}
