package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/value"
)

const noAttribute = unix.ENODATA

// attributePath gives a path by which the attributes of a name can be asked.
func (s *fsys) attributePath(base handle, name []byte) string {
	switch {
	case s.portable:
		return osJoin(base, name)
	case base.fd != cwd:
		// There is no call relative to a directory before Linux 6.13: its
		// descriptor in /proc does as well.
		return "/proc/self/fd/" + strconv.Itoa(base.fd) + "/" + string(name)
	}
	return string(name)
}

// xattr gives the names of the extended attributes of a name, which is never
// followed, or with caps its capabilities. Without any the names are an empty
// list and the capabilities null; a file system that keeps none gives null.
func (s *fsys) xattr(base handle, name []byte, caps bool) (value.Value, error) {
	path := s.attributePath(base, name)
	buf := make([]byte, maxXattr)
	var n int
	var err error
	for {
		if caps {
			n, err = unix.Lgetxattr(path, "security.capability", buf)
		} else {
			n, err = unix.Llistxattr(path, buf)
		}
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP):
		return value.Value{}, nil
	case err != nil:
		return value.Value{}, err
	case caps:
		return capabilities(buf[:n]), nil
	}
	var names []value.Value
	for _, part := range bytes.Split(buf[:n], []byte{0}) {
		if len(part) > 0 {
			names = append(names, value.NewText(string(part)))
		}
	}
	return value.NewList(names), nil
}

// The form of security.capability: a word with the revision in its upper byte
// and a flag for effective, then permitted and inheritable in turn, one word
// each in revision 1 and two in revisions 2 and 3, which has a user after
// them. All words are little endian.
const (
	capRevision1 = 0x01
	capRevision2 = 0x02
	capRevision3 = 0x03
	capEffective = 0x01
)

// capabilities writes the attribute as getcap does. What it cannot read is
// shown as it is, in hexadecimal digits.
func capabilities(b []byte) value.Value {
	odd := value.NewText("0x" + hexOf(b))
	if len(b) < 4 || len(b)%4 != 0 {
		return odd
	}
	words := make([]uint32, len(b)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[i*4:])
	}
	var permitted, inheritable uint64
	suffix := ""
	switch revision := words[0] >> 24; {
	case revision == capRevision1 && len(words) == 3:
		permitted, inheritable = uint64(words[1]), uint64(words[2])
	case revision == capRevision2 && len(words) == 5, revision == capRevision3 && len(words) == 6:
		permitted = uint64(words[1]) | uint64(words[3])<<32
		inheritable = uint64(words[2]) | uint64(words[4])<<32
		if revision == capRevision3 {
			suffix = " [rootid=" + strconv.FormatUint(uint64(words[5]), 10) + "]"
		}
	default:
		return odd
	}
	return value.NewText(capText(permitted, inheritable, words[0]&capEffective != 0) + suffix)
}

func hexOf(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteString(strconv.FormatUint(uint64(c)+0x100, 16)[1:])
	}
	return s.String()
}

// capText groups capabilities by their flags: "cap_chown=ep cap_kill+i".
func capText(permitted, inheritable uint64, effective bool) string {
	groups := map[string][]string{}
	for i := range 64 {
		flags := ""
		if (permitted|inheritable)>>i&1 != 0 && effective {
			flags = "e"
		}
		if inheritable>>i&1 != 0 {
			flags += "i"
		}
		if permitted>>i&1 != 0 {
			flags += "p"
		}
		if flags != "" {
			groups[flags] = append(groups[flags], capName(i))
		}
	}
	var parts []string
	for flags, names := range groups {
		parts = append(parts, strings.Join(names, ",")+"="+flags)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// capNames are the capabilities by number.
const capNames = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable " +
	"net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace " +
	"sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write " +
	"audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf " +
	"checkpoint_restore"

func capName(i int) string {
	if names := strings.Fields(capNames); i < len(names) {
		return "cap_" + names[i]
	}
	return "cap_" + strconv.Itoa(i)
}
