package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quaestor-engine/quaestor/internal/demo"
)

// The scripts of testdata/fleet have the demo's fleet around them: $RELAY and
// $PIN say where it is, and the home has the key of the one who may ask.
func TestFleetScripts(t *testing.T) {
	cmds := commandsOfScripts()
	// investigator KEYFILE POLICY: one more may ask.
	cmds["investigator"] = func(ts *testscript.TestScript, _ bool, args []string) {
		section := "[[investigator]]\nname = \"Grace\"\nweight = 1\nkey = '''\n" + ts.ReadFile(args[0]) + "'''\n\n[default]"
		text := strings.Replace(ts.ReadFile(args[1]), "[default]", section, 1)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
	}
	// hand KEYFILE: the key is in $QUAESTOR_KEY. hand -fd KEYFILE: it is in $FD.
	cmds["hand"] = func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) == 1 {
			ts.Setenv("QUAESTOR_KEY", ts.ReadFile(args[0]))
			return
		}
		fd, closeFD, err := inherited(ts.MkAbs(args[1]))
		ts.Check(err)
		ts.Defer(closeFD)
		ts.Setenv("FD", fd)
	}
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "fleet"),
		Cmds: cmds,
		Setup: func(e *testscript.Env) error {
			if err := setup(e); err != nil {
				return err
			}
			f, err := demo.Start(t.Context(), filepath.Join(e.WorkDir, ".demo"))
			if err != nil {
				return err
			}
			e.Defer(func() {
				if err := f.Stop(); err != nil {
					t.Errorf("the fleet: %v", err)
				}
			})
			text, err := f.Key().Armor(nil)
			if err != nil {
				return err
			}
			e.Setenv("RELAY", f.Addr())
			e.Setenv("PIN", f.Pin())
			e.Setenv("KEY", string(f.Key().Fingerprint()))
			keys := filepath.Join(e.Getenv("QUAESTOR_HOME"), keysDir)
			if err := os.MkdirAll(keys, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(keys, string(f.Key().Fingerprint())+keyExt), text, 0o600)
		},
	})
}
