package account

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
)

// A publicKey is what a key of SSH says of itself, without the key.
type publicKey struct {
	algorithm   string // as in ssh-ed25519
	bits        int64
	fingerprint string // SHA256:… as ssh-keygen writes it
	md5         string // hex with colons
	encoded     string // in base64, as files of keys have it
}

// A wire is the rest of a message of SSH, as RFC 4251 writes its data: a text
// has its length before it, in four bytes.
type wire []byte

// next takes a text; it gives false where there is no whole one.
func (w *wire) next() ([]byte, bool) {
	if len(*w) < 4 {
		return nil, false
	}
	n := binary.BigEndian.Uint32(*w)
	if uint64(n) > uint64(len(*w)-4) {
		return nil, false
	}
	text := (*w)[4 : 4+n]
	*w = (*w)[4+n:]
	return text, true
}

// skip passes over n texts.
func (w *wire) skip(n int) bool {
	for range n {
		if _, ok := w.next(); !ok {
			return false
		}
	}
	return true
}

// wired writes texts.
func wired(texts ...[]byte) []byte {
	var b []byte
	for _, t := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(t)))
		b = append(b, t...)
	}
	return b
}

// mpint writes a positive number as SSH does: never with its highest bit set.
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0] >= 0x80 {
		b = slices.Insert(b, 0, 0)
	}
	return b
}

// certificate ends the names of keys that an authority signed.
const certificate = "-cert-v01@openssh.com"

// parsePublic reads a public key. The fingerprint of a certificate is that of
// the key in it, as ssh-keygen has it.
func parsePublic(blob []byte) (publicKey, bool) {
	w := wire(blob)
	name, ok := w.next()
	if !ok {
		return publicKey{}, false
	}
	k := publicKey{algorithm: string(name)}
	plain, signed := strings.CutSuffix(k.algorithm, certificate)
	if signed {
		if strings.HasPrefix(plain, "sk-") {
			plain += "@openssh.com"
		}
		if !w.skip(1) {
			return publicKey{}, false
		}
	}
	start := w
	if k.bits, ok = keyBits(plain, &w); !ok || !signed && len(w) > 0 {
		return publicKey{}, false
	}
	whole := append(wired([]byte(plain)), start[:len(start)-len(w)]...)
	sum := sha256.Sum256(whole)
	k.fingerprint = "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
	old := md5.Sum(whole)
	for i, b := range old {
		if i > 0 {
			k.md5 += ":"
		}
		k.md5 += hex.EncodeToString([]byte{b})
	}
	return k, true
}

// keyBits reads the numbers of a key and says how long it is.
func keyBits(algorithm string, w *wire) (int64, bool) {
	switch algorithm {
	case "ssh-rsa":
		ok := w.skip(1)
		n, ok2 := w.next()
		return int64(new(big.Int).SetBytes(n).BitLen()), ok && ok2
	case "ssh-dss":
		p, ok := w.next()
		return int64(new(big.Int).SetBytes(p).BitLen()), ok && w.skip(3)
	case "ssh-ed25519", "sk-ssh-ed25519@openssh.com":
		point, ok := w.next()
		ok = ok && len(point) == 32
		return 256, ok && (algorithm[0] != 's' || algorithm[1] != 'k' || w.skip(1))
	case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com":
		curve, ok := w.next()
		bits, known := curveBits(string(curve))
		ok = ok && known && strings.Contains(algorithm, string(curve)) && w.skip(1)
		return bits, ok && (algorithm[1] != 'k' || w.skip(1))
	}
	return 0, false
}

func curveBits(curve string) (int64, bool) {
	switch curve {
	case "nistp256":
		return 256, true
	case "nistp384":
		return 384, true
	case "nistp521":
		return 521, true
	}
	return 0, false
}

// parseKeyText reads a key as files hold it: its type, the key in base64, and
// a comment.
func parseKeyText(text string) (k publicKey, comment string, ok bool) {
	algorithm, rest := word(text)
	encoded, comment := word(rest)
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return k, "", false
	}
	k, ok = parsePublic(blob)
	k.encoded = encoded
	return k, comment, ok && k.algorithm == algorithm
}

// word takes the first word of a line.
func word(line string) (first, rest string) {
	line = strings.TrimLeft(line, " \t")
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " \t")
}
