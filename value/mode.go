package value

import (
	"fmt"
	"strconv"
)

// The bits of st_mode, the same on every Unix.
const (
	modeKind   = 0o170000
	modeSetuid = 0o4000
	modeSetgid = 0o2000
	modeSticky = 0o1000
)

// modeKinds gives the letter of ls -l for each kind of file, by the four uppermost bits of st_mode.
const modeKinds = "-pc?d?b?-?l?s???"

const modeBits = "rwxrwxrwx"

// FormatMode writes st_mode as ls -l does: a letter for the kind of file, then nine for the permissions.
// Without bits of kind the letter is that of a regular file; a kind that Unix does not know is '?'.
// Bits above the sixteen of st_mode are not shown.
func FormatMode(m uint32) string {
	b := []byte{modeKinds[m&modeKind>>12]}
	for i := range modeBits {
		if m&(0o400>>i) != 0 {
			b = append(b, modeBits[i])
		} else {
			b = append(b, '-')
		}
	}
	special := func(bit uint32, at int, letter byte) {
		if m&bit == 0 {
			return
		}
		if b[at] == '-' {
			letter -= 'a' - 'A'
		}
		b[at] = letter
	}
	special(modeSetuid, 3, 's')
	special(modeSetgid, 6, 's')
	special(modeSticky, 9, 't')
	return string(b)
}

// ParseMode reads a mode in octal ("0755", "0100644", at most 32 bits) or as ls -l writes it ("-rwsr-xr-x", where the
// kind '-' is a regular file). Octal without bits of kind stays without them.
func ParseMode(s string) (uint32, error) {
	if len(s) == 10 {
		if m, ok := parseListing(s); ok {
			return m, nil
		}
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a mode: write octal as \"0755\" or the form of ls as \"-rwxr-xr-x\"", s)
	}
	return uint32(n), nil
}

func parseListing(s string) (uint32, bool) {
	var m uint32
	switch s[0] {
	case '-':
		m = 0o100000
	case 'p', 'c', 'd', 'b', 'l', 's':
		for i := range modeKinds {
			if modeKinds[i] == s[0] {
				m = uint32(i) << 12
			}
		}
	default:
		return 0, false
	}
	for i := range modeBits {
		bit := uint32(0o400 >> i)
		special, letter := uint32(0), byte('s')
		switch i {
		case 2:
			special = modeSetuid
		case 5:
			special = modeSetgid
		case 8:
			special, letter = modeSticky, 't'
		}
		switch c := s[i+1]; {
		case c == modeBits[i]:
			m |= bit
		case c == '-':
		case special != 0 && c == letter:
			m |= bit | special
		case special != 0 && c == letter-('a'-'A'):
			m |= special
		default:
			return 0, false
		}
	}
	return m, true
}
