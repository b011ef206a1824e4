package leaf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// openSpool reads what a folder holds. What cannot be read of it keeps nobody
// from the rest.
func openSpool(dir string, limit int64, log *slog.Logger) (*spool, error) {
	s := &spool{
		dir: dir, limit: limit, log: log, syncDir: wholefile.Sync, syncFile: (*os.File).Sync, unlink: os.Remove, syncs: make(chan struct{}, maxSyncs),
		all: map[key]*held{}, shares: map[message.ID]*share{}, bell: make(chan struct{}, 1),
	}
	s.names.do = func() error { return s.syncDir(filepath.Join(dir, dirSpool)) }
	for _, name := range []string{dirSpool, dirMembers} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	names, err := os.ReadDir(filepath.Join(dir, dirSpool))
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		k, err := parseKey(n.Name())
		if err != nil {
			s.stray(n.Name())
			continue
		}
		h, err := s.load(k)
		if err != nil {
			return nil, err
		}
		if h != nil {
			s.all[k], s.bytes = h, s.bytes+h.size
			mine := s.share(k.agent)
			mine.answers, mine.bytes = mine.answers+1, mine.bytes+h.size
			s.queue(k, h)
		}
	}
	return s, nil
}

// stray deals with a file that is no answer's: what a killed process left
// unfinished goes, and anything else is somebody's, and stays.
func (s *spool) stray(name string) {
	path := filepath.Join(s.dir, dirSpool, name)
	if filepath.Ext(name) != wholefile.Ext {
		s.log.Warn("there is something in the spool that is no answer", "name", path)
	} else if err := os.Remove(path); err != nil {
		s.log.Warn("what an earlier run left unfinished cannot be removed", "why", err)
	}
}

func parseKey(name string) (key, error) {
	plan, agent, _ := strings.Cut(name, ".")
	p, err := signing.ParseID(plan)
	a, err2 := signing.ParseID(agent)
	return key{p, a}, errors.Join(err, err2)
}

func (s *spool) path(k key) string { return filepath.Join(s.dir, dirSpool, k.name()) }

// load reads the file of an answer; nil is that it holds nothing.
func (s *spool) load(k key) (*held, error) {
	h := &held{}
	err := s.loadInto(k, h)
	if errors.Is(err, errUnread) {
		err = s.giveUp(k, h, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w\nhint: the folder belongs to the user that the leaf runs as, with all that is in it", err)
	}
	if err != nil {
		return nil, err
	}
	h.sent = h.base
	if len(h.chunks) > 0 {
		return h, nil
	}
	if err := os.Remove(s.path(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, nil
}

// errUnread says that the disk does not give what is in a file.
var errUnread = errors.New("it cannot be read")

func (s *spool) loadInto(k key, h *held) error {
	f, err := os.OpenFile(s.path(k), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	defer f.Close()
	if err := h.read(k, f); err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	return s.cutRest(k, f, h)
}

// read reads chunks as long as they are whole, and follow on each other.
func (h *held) read(k key, f io.ReaderAt) error {
	for {
		c, body, err := readRecord(f, h.size)
		if err == nil && (c.Plan != k.plan || c.Agent != k.agent || len(h.chunks) > 0 && c.Seq != h.next()) {
			err = errRecord
		}
		if errors.Is(err, errRecord) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(h.chunks) == 0 {
			h.base = c.Seq
		}
		h.chunks = append(h.chunks, span{h.size + recordHead, len(body)})
		h.size += int64(recordHead + len(body))
		h.final = h.final || c.Final
	}
}

// errRecord says that what stands in a file is no chunk that was acknowledged.
var errRecord = errors.New("no whole chunk")

// readRecord reads the chunk that stands at a place of a file, and gives its
// bytes, too.
func readRecord(r io.ReaderAt, at int64) (c message.Chunk, body []byte, err error) {
	var head [recordHead]byte
	if _, err := r.ReadAt(head[:], at); err != nil {
		return c, nil, cut(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(message.Limit(message.TypeChunk)) {
		return c, nil, errRecord
	}
	body = make([]byte, n)
	if _, err := r.ReadAt(body, at+recordHead); err != nil {
		return c, nil, cut(err)
	}
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(head[4:]) {
		return c, nil, errRecord
	}
	c, err = message.DecodeChunk(body)
	if err != nil {
		return c, nil, errRecord
	}
	return c, body, nil
}

// cut makes the end of a file the end of what is whole in it.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errRecord
	}
	return err
}
