package nocore

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const child = "QUAESTOR_TEST_NOCORE"

// A guarded process leaves no core and is closed to another of its own user.
func TestGuard(t *testing.T) {
	if os.Getenv(child) != "" {
		if err := Guard(); err != nil {
			t.Fatal(err)
		}
		var l unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil || l.Cur != 0 || l.Max != 0 {
			t.Errorf("the limit of cores: %+v, %v", l, err)
		}
		os.Stdout.WriteString("guarded\n")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: another user has to be taken on, which root alone can")
	}
	const nobody = 65534
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestGuard$")
	cmd.Env = append(os.Environ(), child+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("LEFT OUT: another user cannot start this test here: %v", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "guarded\n" {
		t.Fatalf("%q, %v", line, err)
	}
	// cat by the same user, which could read another process of his.
	cat := exec.Command("cat", "/proc/"+strconv.Itoa(cmd.Process.Pid)+"/environ")
	cat.SysProcAttr = cmd.SysProcAttr
	if text, err := cat.CombinedOutput(); err == nil || !strings.Contains(string(text), "ermission denied") {
		t.Errorf("its own user reads it: %q, %v", text, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
