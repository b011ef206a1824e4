package signing

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// A Fingerprint names an OpenPGP key by its primary key: upper-case hex, 40
// digits for version 4 and 64 for version 6.
type Fingerprint string

// ParseFingerprint reads a fingerprint as people write it: with blanks, with
// 0x in front, in lower case. The error wraps ErrMalformed. Short key ids are
// refused: others can make a key that has the same.
func ParseFingerprint(s string) (Fingerprint, error) {
	t := strings.ToUpper(strings.Join(strings.Fields(s), ""))
	t = strings.TrimPrefix(t, "0X")
	if _, err := hex.DecodeString(t); err != nil {
		return "", fmt.Errorf("%w: %.80q is no fingerprint", ErrMalformed, s)
	}
	if len(t) != 40 && len(t) != 64 {
		return "", fmt.Errorf("%w: a fingerprint has 40 hex digits, or 64, and %.80q has %d", ErrMalformed, s, len(t))
	}
	return Fingerprint(t), nil
}

// isFingerprint says whether s is in the form that ParseFingerprint gives.
func isFingerprint(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// Short gives the last 16 digits, for lists in which whole ones do not fit.
func (f Fingerprint) Short() string {
	return string(f[max(0, len(f)-16):])
}
