package agent

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A key is written over where it lies: the file is not cut off first, which would
// leave its bytes on the disk and write the zeroes elsewhere.
func TestKeysAreWrittenOver(t *testing.T) {
	fd, err := unix.MemfdCreate("key", unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Skipf("there are no files that cannot be cut off: %v", err)
	}
	f := os.NewFile(uintptr(fd), "key")
	defer f.Close()
	key := []byte("a secret")
	if _, err := f.Write(key); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := blank(name, int64(len(key))); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, make([]byte, len(key))) {
		t.Errorf("%q, %v", b, err)
	}
}
