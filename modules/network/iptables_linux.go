package network

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules/native"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// Options that give a table of iptables; writing ones have the same numbers
// and are never used.
const (
	optionInfo    = 64
	optionEntries = 65
	nameLength    = 32
	infoLength    = 84
	entriesHead   = 40       // a name, the size, and four bytes between
	maxLegacy     = 64 << 20 // bytes: a table of 300,000 rules
	legacyTries   = 3        // a table may change between its two questions
)

// legacyRules gives the rules of iptables-legacy. Tables are those that the
// kernel has already; to ask for another one would make it.
func legacyRules(s *table.Scan, yield func(*filterRule) error) error {
	for _, f := range [...]struct {
		list        string
		form        legacyForm
		domain, sol int
	}{
		{"/proc/thread-self/net/ip_tables_names", legacyIPv4, unix.AF_INET, unix.SOL_IP},
		{"/proc/thread-self/net/ip6_tables_names", legacyIPv6, unix.AF_INET6, unix.SOL_IPV6},
	} {
		names, err := s.FS.Append(nil, f.list, maxTable)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			s.Fail(f.list, err)
			continue
		}
		for _, name := range strings.Fields(string(names)) {
			t, err := readLegacy(f.form, f.domain, f.sol, name)
			if err == nil {
				err = t.each(yield)
			}
			if errors.Is(err, errLegacy) || isErrno(err) {
				s.Fail("iptables "+f.form.family+" "+name, err)
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func isErrno(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno)
}

// readLegacy asks the kernel for one table.
func readLegacy(form legacyForm, domain, level int, name string) (*legacyTable, error) {
	if len(name) >= nameLength {
		return nil, errLegacy
	}
	socket, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	for try := 0; ; try++ {
		t, err := askLegacy(form, socket, level, name)
		if !errors.Is(err, unix.EAGAIN) || try == legacyTries {
			return t, err
		}
	}
}

func askLegacy(form legacyForm, socket, level int, name string) (*legacyTable, error) {
	info := make([]byte, infoLength)
	copy(info, name)
	if _, err := native.Option(socket, level, optionInfo, info); err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	t := &legacyTable{form: form, name: name}
	valid := binary.NativeEndian.Uint32(info[nameLength:])
	for i := range t.hooks {
		t.hooks[i], t.under[i] = -1, -1
		if valid&(1<<i) != 0 {
			t.hooks[i] = int(binary.NativeEndian.Uint32(info[nameLength+4+4*i:]))
			t.under[i] = int(binary.NativeEndian.Uint32(info[nameLength+24+4*i:]))
		}
	}
	size := binary.NativeEndian.Uint32(info[infoLength-4:])
	if size > maxLegacy {
		return nil, errLegacy
	}
	b := make([]byte, entriesHead+int(size))
	copy(b, name)
	binary.NativeEndian.PutUint32(b[nameLength:], size)
	if _, err := native.Option(socket, level, optionEntries, b); err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	t.entries = b[entriesHead:]
	return t, nil
}
