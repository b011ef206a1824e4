package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// The roster's file is read by every command, and has a record for each agent
// that was ever seen: it is binary, since a hundred thousand of them are 200 MB,
// and what is read of it stays where it was read. It begins with rosterMagic;
// then comes, by agent:
//
//	16 bytes  its ID
//	 8 bytes  when it was seen, in nanoseconds since 1970
//	 4 bytes  length of its membership, 4 of its facts, 4 of its host's name
//	 4 bytes  how often its token may be used; the greatest number where nothing
//	          is verified, and then the next three are zero
//	32 bytes  what its verification depends on
//	32 bytes  its public key
//	16 bytes  its token
//	          membership, facts, name
//
// and at the end the CRC-32C of all that, in 4 bytes. Numbers are big-endian.
const (
	rosterMagic = "quaestor roster 1\n"
	rosterHead  = 16 + 8 + 4*4 + sha256.Size + ed25519.PublicKeySize + 16
	unverified  = 1<<32 - 1
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRoster  = errors.New("it is damaged: without it the agents are known anew as they are seen, and those that a relay hides are not missed until then")
)

func (h *Home) readRoster() (map[message.ID]known, error) {
	text, err := os.ReadFile(h.path(fileRoster))
	if errors.Is(err, fs.ErrNotExist) {
		return map[message.ID]known{}, nil
	}
	var roster map[message.ID]known
	if err == nil {
		roster, err = decodeRoster(text)
	}
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", h.path(fileRoster), err)
	}
	return roster, nil
}

// encodeRoster gives the bytes of the file.
func encodeRoster(roster map[message.ID]known) []byte {
	size := len(rosterMagic) + crc32.Size
	for _, k := range roster {
		size += rosterHead + len(k.Membership) + len(k.Facts)
		if k.By != nil {
			size += len(k.By.Host)
		}
	}
	b := append(make([]byte, 0, size), rosterMagic...)
	for _, id := range slices.SortedFunc(maps.Keys(roster), func(a, b message.ID) int { return bytes.Compare(a[:], b[:]) }) {
		b = appendKnown(append(b, id[:]...), roster[id])
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendKnown(b []byte, k known) []byte {
	v, uses := k.By, uint32(unverified)
	if v == nil {
		v = &verified{Policy: make([]byte, sha256.Size), Public: make([]byte, ed25519.PublicKeySize)}
	} else {
		uses = uint32(v.Uses)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(k.Seen.UnixNano()))
	for _, n := range []int{len(k.Membership), len(k.Facts), len(v.Host)} {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	b = binary.BigEndian.AppendUint32(b, uses)
	b = append(append(append(b, v.Policy...), v.Public...), v.Token[:]...)
	return append(append(append(b, k.Membership...), k.Facts...), v.Host...)
}

// decodeRoster reads the file; what it gives shares the bytes.
func decodeRoster(b []byte) (map[message.ID]known, error) {
	end := len(b) - crc32.Size
	if end < len(rosterMagic) || !bytes.HasPrefix(b, []byte(rosterMagic)) || binary.BigEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return nil, errRoster
	}
	roster := map[message.ID]known{}
	for b = b[len(rosterMagic):end]; len(b) > 0; {
		if len(b) < rosterHead {
			return nil, errRoster
		}
		id, head := message.ID(b), b[16:rosterHead:rosterHead]
		b = b[rosterHead:]
		k := known{Seen: time.Unix(0, int64(binary.BigEndian.Uint64(head))).UTC()}
		var part [3][]byte
		for i := range part {
			n := uint64(binary.BigEndian.Uint32(head[8+4*i:]))
			if n > uint64(len(b)) {
				return nil, errRoster
			}
			part[i], b = b[:n:n], b[n:]
		}
		k.Membership, k.Facts = part[0], part[1]
		if uses := binary.BigEndian.Uint32(head[20:]); uses != unverified {
			k.By = &verified{Policy: head[24:56:56], Public: ed25519.PublicKey(head[56:88:88]), Token: signing.ID(head[88:]), Host: string(part[2]), Uses: int(uses)}
		}
		roster[id] = k
	}
	return roster, nil
}
