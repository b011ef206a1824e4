package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// What is odd about the witnesses of a policy is said when it is checked, and
// who they are is shown.
func TestPolicyWithLog(t *testing.T) {
	_, key, err := translog.NewLogKey("quaestor-log/x")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 4 {
		_, w, err := translog.NewWitnessKey(fmt.Sprint("w", i))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%q", w))
	}
	for must, want := range map[int]string{0: "no witness must sign", 2: "two halves", 3: ""} {
		text := newPolicy(t) + fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = [%s]\nthreshold = %d\n", key, strings.Join(names, ", "), must)
		p, err := signing.ParsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		a := &app{}
		doubts, err := a.doubts(p)
		if err != nil || want == "" && len(doubts) > 0 || !strings.Contains(strings.Join(doubts, "\n"), want) {
			t.Errorf("%d of 4: %q %v", must, doubts, err)
		}
		var out bytes.Buffer
		a.Out = &out
		if err := a.showLog(p.Log()); err != nil || !strings.Contains(out.String(), fmt.Sprintf("agents run nothing that is not in it; %d of 4 witnesses must sign\nwitness w0\n", must)) {
			t.Errorf("%q %v", out.String(), err)
		}
	}
}

// A witness is made once, of keys that are some, and runs only where it was
// made.
func TestWitnessFolder(t *testing.T) {
	_, key, err := translog.NewLogKey("quaestor-log/x")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "one")
	pin := "sha256:" + strings.Repeat("0", 64)
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"log", "witness"}, args...), IO{In: strings.NewReader(""), Out: &out, Err: &errs,
			Getenv: func(k string) string { return map[string]string{"QUAESTOR_HOME": t.TempDir()}[k] }})
		return code, out.String(), errs.String()
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"new", dir, "--name", "one", "--log", key}, "no relay is set up"},
		{[]string{"new", dir, "--name", "one", "--log", "x", "--relay", "h:1", "--pin", pin}, "no key of a log"},
		{[]string{"new", dir, "--name", "o ne", "--log", key, "--relay", "h:1", "--pin", pin}, "names no key"},
		{[]string{"new", dir, "--name", "one", "--log", key, "--relay", "h:1", "--pin", "x"}, "pin"},
		{[]string{"run", dir, "--once"}, "the folder of no witness"},
	} {
		if code, _, errs := run(c.args...); code != ExitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("%v: %d %q", c.args, code, errs)
		}
	}
	code, out, errs := run("new", dir, "--name", "one", "--log", key, "--relay", "127.0.0.1:1", "--pin", pin)
	if code != ExitDone || !strings.HasPrefix(out, "one+") {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	if _, err := translog.ParseKeys(key, []string{strings.TrimSpace(out)}, 1); err != nil {
		t.Error(err)
	}
	if code, _, errs := run("new", dir, "--name", "one", "--log", key, "--relay", "h:1", "--pin", pin); code != ExitFailed || !strings.Contains(errs, "a witness already") {
		t.Errorf("%d %q", code, errs)
	}
	if code, _, errs := run("run", dir, "--once"); code != ExitFailed || strings.Contains(errs, "no witness") {
		t.Errorf("without a relay: %d %q", code, errs)
	}
	if info, err := os.Stat(filepath.Join(dir, witnessKey)); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("%v %v", info, err)
	}
}

// An entry is found by its number, or by the front of a plan's ID.
func TestFindEntry(t *testing.T) {
	var list []translog.Entry
	for _, name := range []string{"aaaa0", "aaaa1", "bbbb0", "1234567"} {
		list = append(list, translog.Entry{Kind: translog.KindPlan, Name: name})
	}
	list = append(list, translog.Entry{Kind: translog.KindPolicy, Name: "99999"})
	for ref, want := range map[string]int{"0": 0, "4": 4, "bbbb": 2, "BBBB0": 2, "aaaa1": 1, "12345": 3, "aaaa": -1, "aaa": -1, "5": -1, "-1": -1, "99999": -1, "": -1} {
		if i, err := findEntry(list, ref); err == nil && i != want || err != nil && want >= 0 {
			t.Errorf("%q: %d %v", ref, i, err)
		}
	}
}
