package machine

import (
	"runtime"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func kernelTree(t testing.TB) string {
	return tree(t, map[string]string{
		"proc/version":                                    "Linux version 6.1.0-9 (a@b) (gcc) #1 SMP\n",
		"proc/sys/kernel/osrelease":                       "6.1.0-9-amd64\n",
		"proc/cmdline":                                    "BOOT_IMAGE=/vmlinuz root=UUID=1 dyndbg=\"file a.c +p\" \"x y\"  quiet -- -a\n",
		"proc/sys/kernel/tainted":                         "12289\n",
		"proc/sys/kernel/modules_disabled":                "0\n",
		"proc/sys/kernel/kexec_load_disabled":             "1\n",
		"proc/sys/kernel/randomize_va_space":              "2\n",
		"proc/sys/kernel/perf_event_paranoid":             "-1\n",
		"proc/sys/kernel/kptr_restrict":                   "one\n",
		"proc/sys/kernel/core_pattern":                    "|/tmp/x %p\n",
		"proc/sys/kernel/modprobe":                        "/sbin/modprobe\n",
		"sys/kernel/security/lockdown":                    "none [integrity] confidentiality\n",
		"sys/kernel/security/lsm":                         "lockdown,capability,yama",
		"sys/firmware/efi/efivars/SecureBoot" + efiGlobal: "\x06\x00\x00\x00\x01",
		"sys/firmware/efi/efivars/SetupMode" + efiGlobal:  "\x06\x00\x00",
	})
}

func TestKernel(t *testing.T) {
	root := kernelTree(t)
	got, rec := moduletest.Rows(t, kernels(), root, []string{"version", "build", "arguments", "tainted", "taint", "lockdown", "secure_boot", "setup_mode", "security_modules"}, nil)
	same(t, got, []string{`6.1.0-9-amd64 | Linux version 6.1.0-9 (a@b) (gcc) #1 SMP | [BOOT_IMAGE=/vmlinuz, root=UUID=1, dyndbg=file a.c +p, x y, quiet, --, -a] | true | [proprietary_module, out_of_tree_module, unsigned_module] | integrity | true | null | [lockdown, capability, yama]`})
	same(t, skipped(rec), []string{"io_error /sys/firmware/efi/efivars/SetupMode" + efiGlobal})
	got, rec = moduletest.Rows(t, kernels(), root, []string{"modules_disabled", "kexec_disabled", "kexec_loaded", "aslr", "kptr_restrict", "perf_event_paranoid", "ptrace_scope", "core_pattern", "modprobe"}, nil)
	same(t, got, []string{"false | true | null | 2 | null | -1 | null | |/tmp/x %p | /sbin/modprobe"})
	same(t, skipped(rec), []string{"io_error /proc/sys/kernel/kptr_restrict"})
	moduletest.Run(t, kernels(), root)
}

func TestKernelImage(t *testing.T) {
	if got, rec := moduletest.Rows(t, kernels(), tree(t, map[string]string{"proc/": ""}), []string{"version"}, nil); len(got) != 0 || len(rec.Skips()) != 0 {
		t.Errorf("%q, %v", got, rec.Skips())
	}
	got, _ := moduletest.Rows(t, kernels(), tree(t, map[string]string{"proc/version": "Linux version 5.4 (x)\n"}), []string{"version", "tainted", "taint", "arguments"}, nil)
	same(t, got, []string{"5.4 | null | null | null"})
}

func TestTaints(t *testing.T) {
	same(t, taints(1<<63|1<<19|1<<9), []string{"warning", "firmware_control", "bit_63"})
	same(t, taints(0), nil)
}

// TestKernelLive compares with uname and what the system has.
func TestKernelLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /proc here")
	}
	want := strings.TrimSpace(tool(t, "uname", "-r"))
	line := strings.TrimSpace(tool(t, "cat", "/proc/cmdline"))
	got, _ := moduletest.Rows(t, kernels(), "", []string{"version", "command_line"}, nil)
	same(t, got, []string{want + " | " + line})
}

func FuzzKernel(f *testing.F) {
	f.Add(`a "b c" d=" e"f`, uint64(3))
	f.Fuzz(func(t *testing.T, line string, mask uint64) {
		if n := len(arguments(line)); n > len(line) {
			t.Errorf("%d arguments of %d bytes", n, len(line))
		}
		chosen(line)
		if len(taints(mask)) > 64 {
			t.Error("more taints than bits")
		}
	})
}
