package machine

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A kernel is what runs: its release and what it calls itself.
type kernel struct{ release, banner string }

func kernels() modules.Module {
	return table.New(modules.Schema{
		Name: "kernel", Key: "version",
		Doc: "The kernel that runs, how it was started and how far it is closed; an image, in which none runs, has no row.",
	}, append([]table.Column[kernel]{
		table.Value("version", value.Version, "Its release, as uname -r has it.", func(k *kernel) value.Value {
			if k.release == "" {
				return value.Value{}
			}
			return value.NewVersion(k.release, value.AnyScheme)
		}).Shown(),
		table.Text("build", "What it says of how it was built, as in /proc/version.", func(k *kernel) string { return k.banner }),
		table.Computed("command_line", value.Text, "With what it was started.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			return table.TextOf(fileText(s, "/proc/cmdline")), nil
		}).Costs(modules.Read).Shown(),
		table.Computed("arguments", value.List, "The same as a list.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			text, ok := s.FS.Get("/proc/cmdline")
			if !ok {
				return value.Value{}, nil
			}
			return table.ListOf(arguments(string(text)), value.NewText), nil
		}).Of(value.Text).Costs(modules.Read),
		table.Computed("tainted", value.Bool, "Whether anything happened after which the kernel does not vouch for itself.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			n, ok := fileNumber(s, "/proc/sys/kernel/tainted")
			return whether(n != 0, ok), nil
		}).Costs(modules.Read).Shown(),
		table.Computed("taint", value.List, "What happened, as in unsigned_module or out_of_tree_module.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			n, ok := fileNumber(s, "/proc/sys/kernel/tainted")
			if !ok {
				return value.Value{}, nil
			}
			return table.ListOf(taints(uint64(n)), value.NewText), nil
		}).Of(value.Text).Costs(modules.Read).Shown(),
	}, closed()...), listKernel)
}

// closed makes the columns about how far a kernel is closed.
func closed() []table.Column[kernel] {
	return []table.Column[kernel]{
		table.Computed("lockdown", value.Text, "How far even root is kept out of the kernel: none, integrity or confidentiality; null where it cannot be locked.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			return table.TextOf(chosen(fileText(s, "/sys/kernel/security/lockdown"))), nil
		}).Costs(modules.Read).Shown(),
		efiFlag("secure_boot", "Whether the firmware checked the signature of what it started; null where it is not EFI.", "SecureBoot").Shown(),
		efiFlag("setup_mode", "Whether the firmware lets anybody put in keys for secure boot; null where it is not EFI.", "SetupMode"),
		table.Computed("security_modules", value.List, "The security modules that are at work, in their order.", func(s *table.Scan, _ *kernel) (value.Value, error) {
			text := fileText(s, "/sys/kernel/security/lsm")
			if text == "" {
				return value.Value{}, nil
			}
			return table.ListOf(strings.Split(text, ","), value.NewText), nil
		}).Of(value.Text).Costs(modules.Read),
		flag("modules_disabled", "Whether no module can be loaded until the next start.", "/proc/sys/kernel/modules_disabled"),
		flag("kexec_disabled", "Whether no other kernel can be loaded until the next start.", "/proc/sys/kernel/kexec_load_disabled"),
		flag("kexec_loaded", "Whether another kernel is loaded, to be started without the firmware.", "/sys/kernel/kexec_loaded"),
		setting("aslr", "How far addresses are made up: 0 not at all, 1 without the heap, 2 with it.", "/proc/sys/kernel/randomize_va_space").Shown(),
		setting("kptr_restrict", "Who may see the kernel's addresses: 0 anybody, 1 who is entitled, 2 nobody.", "/proc/sys/kernel/kptr_restrict"),
		flag("dmesg_restrict", "Whether the kernel's log is only for who is entitled.", "/proc/sys/kernel/dmesg_restrict"),
		setting("ptrace_scope", "Who may trace a process: 0 its user, 1 its parents, 2 who is entitled, 3 nobody.", "/proc/sys/kernel/yama/ptrace_scope"),
		setting("unprivileged_bpf_disabled", "Who may load BPF programs: 0 anybody, 1 and 2 who is entitled.", "/proc/sys/kernel/unprivileged_bpf_disabled"),
		setting("perf_event_paranoid", "How little is measured for anybody: from -1, all, to 2 and more.", "/proc/sys/kernel/perf_event_paranoid"),
		setting("sysrq", "Which keys at the console command the kernel: 0 none, 1 all, else a sum.", "/proc/sys/kernel/sysrq"),
		words("core_pattern", "Where memory of crashed processes goes; after | stands a program that gets it.", "/proc/sys/kernel/core_pattern"),
		words("modprobe", "The program that the kernel runs for a module that it wants.", "/proc/sys/kernel/modprobe").To("file"),
		words("hotplug", "The program that the kernel runs for a device that came or went.", "/proc/sys/kernel/hotplug").To("file"),
		words("boot_id", "The name that this start of the kernel made up for itself.", "/proc/sys/kernel/random/boot_id"),
	}
}

// setting is a column of a file with a number.
func setting(name, doc, path string) table.Column[kernel] {
	return table.Computed(name, value.Int, doc, func(s *table.Scan, _ *kernel) (value.Value, error) {
		n, ok := fileNumber(s, path)
		if !ok {
			return value.Value{}, nil
		}
		return value.NewInt(n), nil
	}).Costs(modules.Read)
}

// flag is a column of a file with a number that is 0 or something else.
func flag(name, doc, path string) table.Column[kernel] {
	return table.Computed(name, value.Bool, doc, func(s *table.Scan, _ *kernel) (value.Value, error) {
		n, ok := fileNumber(s, path)
		return whether(n != 0, ok), nil
	}).Costs(modules.Read)
}

// words is a column of a file with a text.
func words(name, doc, path string) table.Column[kernel] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, _ *kernel) (value.Value, error) {
		return table.TextOf(fileText(s, path)), nil
	}).Costs(modules.Read)
}

// efiGlobal is the vendor of the variables that the UEFI specification defines.
const efiGlobal = "-8be4df61-93ca-11d2-aa0d-00e098032b8c"

// efiFlag is a column of a variable of the firmware: four bytes of attributes
// and one that is 0 or 1.
func efiFlag(name, doc, variable string) table.Column[kernel] {
	path := "/sys/firmware/efi/efivars/" + variable + efiGlobal
	return table.Computed(name, value.Bool, doc, func(s *table.Scan, _ *kernel) (value.Value, error) {
		b, ok := s.FS.Get(path)
		if ok && (len(b) != 5 || b[4] > 1) {
			s.Fail(path, hostfs.ErrMalformed)
			ok = false
		}
		return whether(ok && b[4] == 1, ok), nil
	}).Costs(modules.Read)
}

// whether makes a truth of what is known, and null of what is not.
func whether(b, known bool) value.Value {
	if !known {
		return value.Value{}
	}
	return value.NewBool(b)
}

// fileText reads a file of one value that need not be there.
func fileText(s *table.Scan, path string) string {
	text, _ := s.FS.Get(path)
	return string(bytes.TrimRight(text, "\n\x00 "))
}

// fileNumber reads a file of one number that need not be there.
func fileNumber(s *table.Scan, path string) (int64, bool) {
	text, ok := s.FS.Get(path)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 0, 64)
	if err != nil {
		s.Fail(path, hostfs.ErrMalformed)
	}
	return n, err == nil
}

// listKernel gives the one that runs.
func listKernel(s *table.Scan, yield func(*kernel) error) error {
	if !linux(s) {
		return nil
	}
	k := kernel{release: fileText(s, "/proc/sys/kernel/osrelease"), banner: fileText(s, "/proc/version")}
	if k.release == "" {
		// As in: Linux version 6.1.0 (somebody@somewhere) (gcc ...) #1 SMP
		if f := strings.Fields(k.banner); len(f) > 2 && f[1] == "version" {
			k.release = f[2]
		}
	}
	if k == (kernel{}) {
		return nil
	}
	return yield(&k)
}

// chosen gives the word in brackets of a list of words: none [integrity].
func chosen(list string) string {
	_, rest, _ := strings.Cut(list, "[")
	word, _, ok := strings.Cut(rest, "]")
	if !ok {
		return ""
	}
	return word
}

// arguments splits a kernel's command line, in which quotes hold blanks
// together and are dropped.
func arguments(line string) []string {
	var list []string
	var b strings.Builder
	quoted, inside := false, false
	end := func() {
		if inside {
			list = append(list, b.String())
		}
		b.Reset()
		inside = false
	}
	for _, c := range []byte(strings.TrimRight(line, "\n\x00")) {
		switch {
		case c == '"':
			quoted, inside = !quoted, true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			end()
		default:
			b.WriteByte(c)
			inside = true
		}
	}
	end()
	return list
}

// taints gives the words of a kernel's taint, bit by bit as the kernel's
// admin-guide/tainted-kernels.rst has them.
func taints(mask uint64) []string {
	names := [...]string{
		"proprietary_module", "forced_load", "out_of_specification", "forced_unload", "machine_check",
		"bad_page", "user", "died", "acpi_table", "warning", "staging_driver", "firmware_workaround",
		"out_of_tree_module", "unsigned_module", "soft_lockup", "live_patch", "auxiliary", "randomised_structs",
		"test", "firmware_control",
	}
	var list []string
	for bit := range 64 {
		switch {
		case mask&(1<<bit) == 0:
		case bit < len(names):
			list = append(list, names[bit])
		default:
			list = append(list, "bit_"+strconv.Itoa(bit))
		}
	}
	return list
}
