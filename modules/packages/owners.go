package packages

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Owners says which package brought a file. It holds all paths that the
// databases of dpkg, apk, pacman and rpm list, and costs 32 to 64 bytes for
// each beside its text. Its methods may be called from several goroutines.
type Owners struct {
	ids   []string // of packages
	paths []string // by package: the texts that slots point into
	slots []slot   // a table of a power of two, at most half full
	used  int
	names aliases
	seed  maphash.Seed
}

// A slot points to a path, by the shortest of its names.
type slot struct {
	hash       uint32
	text       int32 // index of paths, counted from 1; 0 is an empty slot
	start, end uint32
}

// LoadOwners reads who owns which path of a host. An error says that there is
// a database of which nothing can be said; lists that could not be read go to
// the report of the files, and their paths are nobody's.
func LoadOwners(f *hostfs.FS) (*Owners, error) {
	if unknownSystem(f) {
		return nil, fmt.Errorf("read who owns files: %s: %w", elsewhere, errors.ErrUnsupported)
	}
	for _, name := range []string{dpkgStatus, "/lib/apk/db/installed", pacmanLocal} {
		if _, err := f.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read who owns files: %w", err)
		}
	}
	o := &Owners{names: aliasesOf(f), seed: maphash.MakeSeed(), slots: make([]slot, 1<<10)}
	if err := o.addDpkg(f); err != nil {
		return nil, fmt.Errorf("read who owns files: %w", err)
	}
	c := &crate{FS: f, ctx: context.Background(), yield: func(x *packed) error {
		if n := len(o.ids); n == 0 || o.ids[n-1] != x.pkg {
			o.ids, o.paths = append(o.ids, x.pkg), append(o.paths, "")
		}
		return o.addAlone(x.path)
	}}
	if err := eachPacked(c, func(manager string) bool { return manager != "dpkg" }); err != nil {
		return nil, fmt.Errorf("read who owns files: %w", err)
	}
	return o, nil
}

// addDpkg puts dpkg's lists in as they are, without a text for each path.
func (o *Owners) addDpkg(f *hostfs.FS) error {
	diverted := readDiversions(f)
	return eachDpkg(f, func(p *pkg) error {
		list, ok := dpkgList(f, p)
		if !ok {
			return nil
		}
		o.ids, o.paths = append(o.ids, p.id()), append(o.paths, list)
		text := int32(len(o.paths))
		if uint64(len(list)) > math.MaxUint32 || len(o.ids) == math.MaxInt32 {
			return hostfs.ErrTooLarge
		}
		name := p.name
		for at := 0; at < len(list); {
			line, _ := cutLine(list[at:])
			start := at
			at += len(line) + 1
			if len(line) < 2 || line[0] != '/' || line == "/." {
				continue
			}
			if to := diverted.of(line, name); to != line {
				if err := o.addAlone(to); err != nil {
					return err
				}
				continue
			}
			short := o.names.short(line)
			if from := start + len(line) - len(short); strings.HasSuffix(line, short) {
				o.put(slot{o.hash(short), text, uint32(from), uint32(start + len(line))})
			} else if err := o.addAlone(short); err != nil {
				return err
			}
		}
		return nil
	})
}

// addAlone puts a path of the newest package in with a text of its own.
func (o *Owners) addAlone(p string) error {
	if len(o.ids) >= math.MaxInt32 {
		return hostfs.ErrTooLarge
	}
	p = o.names.short(p)
	o.ids, o.paths = append(o.ids, o.ids[len(o.ids)-1]), append(o.paths, p)
	o.put(slot{o.hash(p), int32(len(o.paths)), 0, uint32(len(p))})
	return nil
}

func (o *Owners) hash(p string) uint32 { return uint32(maphash.String(o.seed, p)) }

// text gives the path that a slot points to.
func (o *Owners) text(s slot) string { return o.paths[s.text-1][s.start:s.end] }

// put keeps a path unless it is there: of folders that several packages list,
// the first has it.
func (o *Owners) put(s slot) {
	if 2*o.used >= len(o.slots) {
		o.grow()
	}
	i := o.find(s.hash, o.text(s))
	if o.slots[i].text == 0 {
		o.slots[i] = s
		o.used++
	}
}

// find gives the slot that a path has or could have.
func (o *Owners) find(hash uint32, p string) int {
	mask := len(o.slots) - 1
	i := int(hash) & mask
	for o.slots[i].text != 0 && (o.slots[i].hash != hash || o.text(o.slots[i]) != p) {
		i = (i + 1) & mask
	}
	return i
}

func (o *Owners) grow() {
	old := o.slots
	o.slots = make([]slot, 2*len(old))
	mask := len(o.slots) - 1
	for _, s := range old {
		if s.text == 0 {
			continue
		}
		i := int(s.hash) & mask
		for o.slots[i].text != 0 {
			i = (i + 1) & mask
		}
		o.slots[i] = s
	}
}

// Package gives the id of the package that brought a path, as module package
// has it. The path is absolute; /bin/sh and /usr/bin/sh are one where one
// leads to the other, and no other links are followed. Of a folder that many
// packages share, it is the first of them.
func (o *Owners) Package(name string) (id string, ok bool) {
	short := o.names.short(path.Clean(name))
	s := o.slots[o.find(o.hash(short), short)]
	if s.text == 0 {
		return "", false
	}
	return o.ids[s.text-1], true
}
