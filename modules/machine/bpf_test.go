package machine

import (
	"bufio"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const (
	progInfo = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\nprog_type:\t6\nprog_jited:\t1\nprog_tag:\ta04f5eef06a7f555\nmemlock:\t4096\nprog_id:\t12\nrun_time_ns:\t0\nrun_cnt:\t3\n"
	linkInfo = "pos:\t0\nlink_type:\ttracing\nlink_id:\t2\nprog_tag:\tbb\nprog_id:\t13\nattach_type:\t24\n"
	progList = "  id name             attached\n  13 dump_prog        bpf_iter_bpf_prog\n  14 lost             sys_execve\n  15\n what is this\n"
)

func bpfTree(t testing.TB, more map[string]string) string {
	files := map[string]string{
		"proc/1/fd/0": "->/dev/null", "proc/7/fd/3": "->anon_inode:bpf-prog", "proc/7/fdinfo/3": progInfo,
		"proc/7/fd/4": "->anon_inode:bpf_link", "proc/7/fdinfo/4": linkInfo,
		"proc/7/fd/5": "->anon_inode:bpf-prog", "proc/7/fdinfo/5": "prog_id:\tmany\n",
		"proc/7/fd/6": "->anon_inode:bpf-prog", "proc/meminfo": "x", "proc/8/stat": "",
		"sys/fs/bpf/tc/globals/map1": "", "sys/fs/bpf/prog": "",
	}
	for name, text := range more {
		files[name] = text
	}
	return tree(t, files)
}

var bpfColumns = []string{"id", "kind", "type", "name", "attached", "tag", "link_id", "link_type", "process", "fd", "compiled", "memory", "run_count", "path"}

func TestBPF(t *testing.T) {
	root := bpfTree(t, nil)
	got, rec := moduletest.Rows(t, bpfs(), root, bpfColumns, nil)
	same(t, got, []string{
		"12 | program | xdp | null | null | a04f5eef06a7f555 | null | null | 7 | 3 | true | 4KiB | 3 | null",
		"13 | link | null | null | null | bb | 2 | tracing | 7 | 4 | null | null | null | null",
		"null | pinned | null | prog | null | null | null | null | null | null | null | null | null | /sys/fs/bpf/prog",
		"null | pinned | null | map1 | null | null | null | null | null | null | null | null | null | /sys/fs/bpf/tc/globals/map1",
	})
	same(t, skipped(rec), []string{"io_error /proc/7/fdinfo/5", "unsupported bpf"})
	moduletest.Run(t, bpfs(), root)
}

func TestBPFListed(t *testing.T) {
	root := bpfTree(t, map[string]string{"sys/fs/bpf/progs.debug": progList, "sys/fs/bpf/maps.debug": "x"})
	got, rec := moduletest.Rows(t, bpfs(), root, []string{"id", "kind", "name", "attached", "process", "source"}, nil)
	same(t, got, []string{
		"12 | program | null | null | 7 | /proc/7/fdinfo/3",
		"13 | link | dump_prog | bpf_iter_bpf_prog | 7 | /proc/7/fdinfo/4",
		"14 | program | lost | sys_execve | null | /sys/fs/bpf/progs.debug",
		"15 | program | null | null | null | /sys/fs/bpf/progs.debug",
		"null | pinned | prog | null | null | /sys/fs/bpf",
		"null | pinned | map1 | null | null | /sys/fs/bpf/tc/globals",
	})
	same(t, skipped(rec), []string{"io_error /sys/fs/bpf/progs.debug:5", "io_error /proc/7/fdinfo/5"})
}

func TestBPFImage(t *testing.T) {
	got, rec := moduletest.Rows(t, bpfs(), tree(t, map[string]string{"proc/": ""}), []string{"id"}, nil)
	if len(got) != 0 || len(rec.Skips()) != 0 {
		t.Errorf("%q, %v", got, rec.Skips())
	}
}

// loader puts into the kernel a program for sockets that does nothing, and
// waits until its input ends.
const loader = `
import ctypes, struct, sys
code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0))
licence = ctypes.create_string_buffer(b"GPL")
attr = ctypes.create_string_buffer(struct.pack("<IIQQIIQII16s", 1, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0, b"quaestor_test"), 128)
fd = ctypes.CDLL(None).syscall(321, 5, attr, 128)
print(fd, flush=True)
sys.stdin.read()
`

// TestBPFLive finds a program that another process loads.
func TestBPFLive(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("LEFT OUT: the program that loads one is for Linux on amd64")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("LEFT OUT: python3 is not installed")
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", loader)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Skip("LEFT OUT: python3 does not run")
	}
	defer cmd.Wait()
	defer in.Close()
	line, _ := bufio.NewReader(out).ReadString('\n')
	fd, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || fd < 0 {
		t.Skip("LEFT OUT: no program may be loaded here")
	}
	rows, _ := moduletest.Rows(t, bpfs(), "", []string{"process", "fd", "kind", "type"}, nil)
	want := strconv.Itoa(cmd.Process.Pid) + " | " + strconv.Itoa(fd) + " | program | socket_filter"
	if !strings.Contains(strings.Join(rows, "\n")+"\n", want+"\n") {
		t.Errorf("no %q in %q", want, rows)
	}
}

func FuzzBPF(f *testing.F) {
	f.Add([]byte(progInfo))
	f.Add([]byte(linkInfo))
	f.Add([]byte(progList))
	f.Fuzz(func(t *testing.T, text []byte) {
		if b, ok := parseFdinfo(text); ok && b.id == nil && b.link == nil {
			t.Error("something without a number")
		}
		parseBPFList("x", text, func(string) {})
	})
}
