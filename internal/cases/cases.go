// Package cases keeps what an investigator asked, what came back and what he
// noted, in one file a case, so that it can be shown, proved and asked again.
//
// A newcomer needs [Open], which makes the case where there is none, and
// [Case.Begin], whose [Recording] takes an answer row by row. [Case.Module]
// makes a case a relation that queries are asked of, [Case.Verify] says what
// was changed in it, and [Report] is what exports are written from. The
// package asks nobody and holds no key: who signs is handed in.
//
// # The file
//
// A case is an SQLite database with one table, to which entries are only ever
// added:
//
//	entry(seq, kind, at, of, body, hash, signer, sig)
//
// seq counts from 1 without a gap; at is in nanoseconds since 1970; of is the
// question that rows and answers belong to, else 0. The kinds, and what body
// holds, are:
//
//	opened    JSON: the first entry, with the format and the name of the case
//	note      JSON: what somebody wrote
//	question  JSON: the query, who was asked, the signed plan, the tables
//	rows      some rows of an answer, in the wire form of package answer
//	answer    JSON: the account and the coverage, which end an answer
//
// hash is the SHA-256 of
//
//	"quaestor case entry 1\n", hash of the entry before (32 zeros for the first),
//	seq, at, of (8 bytes each, most significant first), the length of kind in one byte, kind, body
//
// and sig, where an entry is signed, is a signature by signer of the text
// "quaestor case entry 1\n", the hash in lower-case hex, "\n". Rows are not
// signed one by one: the signature of the answer, whose hash holds theirs,
// speaks for them.
package cases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options say who writes into a case.
type Options struct {
	// Sign signs entries; nil: they are not signed. It may ask its user
	// something, so it may take long; nothing is locked meanwhile.
	Sign func(ctx context.Context, msg []byte) (sig []byte, signer string, err error)
	Who  string           // who writes, in words, where no signature says it
	Now  func() time.Time // nil: the clock
}

// A Case is one open file. It may be used by several goroutines, and several
// processes may write into one file.
type Case struct {
	name string
	opts Options
	db   *sql.DB
	made bool
}

// Ext ends the names of the files.
const Ext = ".case"

// Dir gives the folder of the cases in the folder of an investigator.
func Dir(home string) string { return filepath.Join(home, "cases") }

// ErrNoCase is the root of the error of Find where there is no such case.
var ErrNoCase = errors.New("no such case")

// maxName is how long the name of a case may be, in bytes: file systems take
// 255 for a whole name.
const maxName = 100

// CheckName says what is wrong with the name of a case. Letters, digits and
// - _ . are good on every system.
func CheckName(name string) error {
	good := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	switch {
	case name == "":
		return errors.New("a case needs a name")
	case len(name) > maxName:
		return fmt.Errorf("the name of a case has at most %d characters", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return !good(r) }):
		return fmt.Errorf("%q is no name of a case: write letters, digits, - _ and .", name)
	case strings.ContainsRune("-.", rune(name[0])) || name[len(name)-1] == '.':
		return fmt.Errorf("%q is no name of a case: begin it with a letter, a digit or _, and do not end it with a point", name)
	}
	return nil
}

// Open opens a case, and makes it where it is not there, for its owner alone.
func Open(dir, name string, o Options) (*Case, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of the cases: %w", err)
	}
	path := filepath.Join(dir, name+Ext)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("the case %s: %w", name, err)
	}
	return open(path, name, o)
}

// Find opens a case that is there. The error wraps ErrNoCase where it is not,
// and names those that are.
func Find(dir, name string, o Options) (*Case, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+Ext)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, missing(dir, name)
	} else if err != nil {
		return nil, fmt.Errorf("the case %s: %w", name, err)
	}
	return open(path, name, o)
}

// shownNames is how many cases a message names.
const shownNames = 10

func missing(dir, name string) error {
	names, err := Names(dir)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s; %w", ErrNoCase, name, err)
	case len(names) == 0:
		return fmt.Errorf("%w: %s; there is none yet", ErrNoCase, name)
	case len(names) > shownNames:
		names = append(names[:shownNames], "…")
	}
	return fmt.Errorf("%w: %s; there are %s", ErrNoCase, name, strings.Join(names, ", "))
}

// Names lists the cases of a folder in alphabetical order.
func Names(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the folder of the cases: %w", err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), Ext); ok && !f.IsDir() && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes a case. The error wraps ErrNoCase where it is not there.
func Delete(dir, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	path := filepath.Join(dir, name+Ext)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing(dir, name)
	}
	if err != nil {
		return fmt.Errorf("the case %s: %w", name, err)
	}
	// What a process that was killed left behind.
	if err := os.Remove(path + "-journal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the case %s: %w", name, err)
	}
	return nil
}

// Info is what a list says of a case.
type Info struct {
	Name         string
	Opened, Last time.Time // the first and the last entry
	Notes        int64
	Questions    int64
	Size         int64 // of the file, in bytes
	Err          error // why the rest is not known
}

// List describes the cases of a folder in alphabetical order. One that cannot
// be read is in it, with the reason.
func List(dir string) ([]Info, error) {
	names, err := Names(dir)
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, name := range names {
		info := Info{Name: name}
		if c, err := Find(dir, name, Options{}); err != nil {
			info.Err = err
		} else {
			info.Err = errors.Join(c.describe(&info), c.Close())
		}
		if st, err := os.Stat(filepath.Join(dir, name+Ext)); err == nil {
			info.Size = st.Size()
		}
		list = append(list, info)
	}
	return list, nil
}

// Name gives the name.
func (c *Case) Name() string { return c.name }

// Made says whether Open made the case.
func (c *Case) Made() bool { return c.made }

// Close lets go of the file. What was recorded and not ended shows as
// interrupted.
func (c *Case) Close() error { return c.db.Close() }

// maxNote is how long a note may be, in bytes: an hour of writing.
const maxNote = 1 << 20

// CheckNote says what is wrong with a note.
func CheckNote(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("an empty note says nothing")
	}
	if len(text) > maxNote {
		return fmt.Errorf("a note has at most %d bytes", maxNote)
	}
	return nil
}

// Note adds a note.
func (c *Case) Note(ctx context.Context, text string) error {
	text = strings.TrimRight(strings.ToValidUTF8(text, "\uFFFD"), "\n")
	if err := CheckNote(text); err != nil {
		return err
	}
	_, err := c.addSigned(ctx, kindNote, 0, &Note{by: c.by(), Text: text})
	return err
}
