package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// What a machine lives on is what its supplies say together.
func TestSupply(t *testing.T) {
	type files map[string]string
	for name, c := range map[string]struct {
		tree files
		want Supply
	}{
		"a server":                 {files{}, 0},
		"on mains":                 {files{"AC/type": "Mains", "AC/online": "1", "BAT0/type": "Battery", "BAT0/status": "Charging"}, Mains},
		"on its battery":           {files{"AC/type": "Mains", "AC/online": "0", "BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/present": "1"}, Battery},
		"charged by USB":           {files{"ucsi/type": "USB", "ucsi/online": "1", "BAT0/type": "Battery", "BAT0/status": "Discharging"}, Mains},
		"two, of which one lasts":  {files{"BAT0/type": "Battery", "BAT0/status": "Not charging", "BAT1/type": "Battery", "BAT1/status": "Discharging"}, Battery},
		"full, and mains untold":   {files{"BAT0/type": "Battery", "BAT0/status": "Full"}, Mains},
		"a mouse with a battery":   {files{"hid/type": "Battery", "hid/scope": "Device", "hid/status": "Discharging"}, 0},
		"a bay without one":        {files{"BAT1/type": "Battery", "BAT1/present": "0", "BAT1/status": "Discharging"}, 0},
		"nonsense":                 {files{"x/type": "Battery", "x/status": ""}, 0},
		"mains that are not there": {files{"AC/type": "Mains", "AC/online": "0"}, 0},
	} {
		root := t.TempDir()
		for file, text := range c.tree {
			path := filepath.Join(root, powerDir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := supplyOf(root); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
	if got := supplyOf(t.TempDir()); got != 0 {
		t.Errorf("no folder of supplies: %s", got)
	}
}
