package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// schema is all that is in the file. A file with anything else in it is
// refused: views and triggers could run what nobody asked for.
const schema = `CREATE TABLE entry (
  seq    INTEGER PRIMARY KEY,
  kind   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  of     INTEGER NOT NULL,
  body   BLOB NOT NULL,
  hash   BLOB NOT NULL,
  signer TEXT NOT NULL DEFAULT '',
  sig    BLOB NOT NULL DEFAULT x''
)`

// application marks the file as a case: "QCAS".
const application = 0x51434153

// patience is how long a process waits for another one to finish writing, in
// milliseconds. Each writes for a few at a time.
const patience = 15000

// Bounds of an entry, in bytes. What is read was perhaps written by others.
const (
	maxBody      = 64 << 20 // a row, with content in it, or a signed plan with its lists
	maxSignature = 64 << 10
	maxSigner    = 1 << 10
)

// ErrFormat says that a file is no case, or one of a version that is not known
// here.
var ErrFormat = errors.New("this file is no case that can be read here")

func open(path, name string, o Options) (*Case, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the case %s: %w", name, err)
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive of Windows
	}
	at := url.URL{Scheme: "file", Path: slashed, RawQuery: url.Values{
		"mode": {"rw"}, "_txlock": {"immediate"},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", patience), "trusted_schema(0)", "cell_size_check(1)", "synchronous(full)"},
	}.Encode()}
	db, err := sql.Open("sqlite", at.String())
	if err != nil {
		return nil, fmt.Errorf("the case %s: %w", name, err)
	}
	db.SetMaxOpenConns(1)
	c := &Case{name: name, opts: o, db: db}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("the case %s: %w", name, err), db.Close())
	}
	return c, nil
}

// prepare makes what has to be in a new file, or checks an old one.
func (c *Case) prepare() error {
	ctx := context.Background()
	m, err := markOf(ctx, c.db)
	switch {
	case err != nil:
		return err
	case m == (mark{}):
		return c.create(ctx)
	}
	return m.check()
}

// A mark is what a file says that it is.
type mark struct{ app, version, objects, ours int64 }

// markOf reads the mark in one query, since another process may just be making
// the case.
func markOf(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (m mark, err error) {
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
  count(*), coalesce(sum(type = 'table' AND name = 'entry' AND sql = ?), 0) FROM sqlite_schema`, schema).Scan(&m.app, &m.version, &m.objects, &m.ours)
	return m, err
}

func (m mark) check() error {
	switch {
	case m.app != application || m.version != format:
		return fmt.Errorf("%w: its mark is %08x, version %d", ErrFormat, m.app, m.version)
	case m.objects != 1 || m.ours != 1:
		return fmt.Errorf("%w: there are other tables in it, or views, or triggers", ErrFormat)
	}
	return nil
}

// create makes the table and the first entry. Another process may do the same
// at the same time: the first one wins.
func (c *Case) create(ctx context.Context) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // it does nothing after Commit
	if m, err := markOf(ctx, tx); err != nil || m != (mark{}) {
		return errors.Join(err, m.check())
	}
	for _, q := range []string{schema, fmt.Sprintf("PRAGMA application_id = %d", application), fmt.Sprintf("PRAGMA user_version = %d", format)} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	body, err := plainJSON(&Opened{by: c.by(), Format: format, Case: c.name})
	if err != nil {
		return err
	}
	seq, hash, err := c.insert(ctx, tx, kindOpened, 0, body)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	c.made = true
	return c.sign(ctx, seq, hash)
}

func (c *Case) by() by { return by{Who: c.opts.Who, Signed: c.opts.Sign != nil} }

// addSigned adds an entry and signs it. Once it is added it stays, signed or
// not.
func (c *Case) addSigned(ctx context.Context, kind string, of int64, body any) (int64, error) {
	text, err := plainJSON(body)
	if err != nil {
		return 0, err
	}
	seq, hash, err := c.add(ctx, kind, of, text)
	if err != nil {
		return 0, err
	}
	return seq, c.sign(ctx, seq, hash)
}

// add adds an entry behind the last one.
func (c *Case) add(ctx context.Context, kind string, of int64, body []byte) (seq int64, hash []byte, err error) {
	if len(body) > maxBody {
		return 0, nil, fmt.Errorf("the case %s: an entry of %d bytes is more than %d", c.name, len(body), maxBody)
	}
	// What was found is kept even when whoever asked does not want to wait
	// for more.
	ctx = context.WithoutCancel(ctx)
	tx, err := c.db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback() // it does nothing after Commit
		if seq, hash, err = c.insert(ctx, tx, kind, of, body); err == nil {
			err = tx.Commit()
		}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("the case %s: %w", c.name, err)
	}
	return seq, hash, nil
}

func (c *Case) insert(ctx context.Context, tx *sql.Tx, kind string, of int64, body []byte) (int64, []byte, error) {
	e := &Entry{kind: kind, Of: of, At: time.Unix(0, c.opts.Now().UnixNano())}
	var before []byte
	err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").Scan(&e.Seq, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, err
	}
	if err == nil && len(before) != sha256.Size {
		return 0, nil, fmt.Errorf("%w: entry %d has no hash", ErrFormat, e.Seq)
	}
	e.Seq++
	hash := chain(before, e, body)
	_, err = tx.ExecContext(ctx, "INSERT INTO entry (seq, kind, at, of, body, hash) VALUES (?, ?, ?, ?, ?, ?)",
		e.Seq, kind, e.At.UnixNano(), of, body, hash)
	return e.Seq, hash, err
}

// sign puts a signature on an entry that is there already, so that nobody
// waits for a person or a card.
func (c *Case) sign(ctx context.Context, seq int64, hash []byte) error {
	if c.opts.Sign == nil {
		return nil
	}
	sig, signer, err := c.opts.Sign(ctx, message(hash))
	if err != nil {
		return fmt.Errorf("entry %d of the case %s is kept and not signed: %w", seq, c.name, err)
	}
	if len(sig) > maxSignature || len(signer) > maxSigner {
		return fmt.Errorf("entry %d of the case %s is kept and not signed: a signature of %d bytes", seq, c.name, len(sig))
	}
	_, err = c.db.ExecContext(context.WithoutCancel(ctx), "UPDATE entry SET signer = ?, sig = ? WHERE seq = ? AND hash = ?", signer, sig, seq, hash)
	if err != nil {
		return fmt.Errorf("entry %d of the case %s is kept and not signed: %w", seq, c.name, err)
	}
	return nil
}

// head gives the number of the last entry.
func (c *Case) head(ctx context.Context) (int64, error) {
	var n sql.NullInt64
	if err := c.db.QueryRowContext(ctx, "SELECT max(seq) FROM entry").Scan(&n); err != nil {
		return 0, fmt.Errorf("the case %s: %w", c.name, err)
	}
	return n.Int64, nil
}

func (c *Case) describe(info *Info) error {
	var first, last sql.NullInt64
	err := c.db.QueryRow("SELECT min(at), max(at), coalesce(sum(kind = 'note'), 0), coalesce(sum(kind = 'question'), 0) FROM entry").
		Scan(&first, &last, &info.Notes, &info.Questions)
	info.Opened, info.Last = time.Unix(0, first.Int64).UTC(), time.Unix(0, last.Int64).UTC()
	return err
}

// nextEntry reads one entry, and the hash that it is to follow. A row whose
// values are of other types, or too long, is read as far as it goes.
const nextEntry = `SELECT e.seq, substr(CAST(e.kind AS TEXT), 1, 40), CAST(e.at AS INTEGER), CAST(e.of AS INTEGER),
  length(e.body), CASE WHEN length(e.body) <= ? THEN CAST(e.body AS BLOB) ELSE x'' END,
  CASE WHEN length(e.hash) = 32 THEN CAST(e.hash AS BLOB) ELSE x'' END,
  CASE WHEN length(e.signer) <= ? THEN CAST(e.signer AS TEXT) ELSE '' END,
  CASE WHEN length(e.sig) <= ? THEN CAST(e.sig AS BLOB) ELSE x'' END,
  (SELECT CAST(p.hash AS BLOB) FROM entry p WHERE p.seq = e.seq - 1 AND length(p.hash) = 32)
FROM entry e WHERE e.seq > ? AND e.seq <= ? `

// The entries that a reader wants, as an end of nextEntry.
const (
	anyEntry  = `ORDER BY e.seq LIMIT 1`
	noRows    = `AND e.kind <> 'rows' ORDER BY e.seq LIMIT 1`
	noEntries = -1 << 63 // less than every number that an entry can have
)

// entries reads entries up to a number, each by a query of its own, so that
// who writes into the case never waits for who reads it.
func (c *Case) entries(ctx context.Context, which string, upTo int64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		after := int64(noEntries)
		for {
			e, err := c.next(ctx, which, after, upTo)
			if errors.Is(err, sql.ErrNoRows) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("the case %s: %w", c.name, err))
				return
			}
			if after = e.Seq; !yield(e, nil) {
				return
			}
		}
	}
}

func (c *Case) next(ctx context.Context, which string, after, upTo int64) (*Entry, error) {
	e := &Entry{}
	var at, size int64
	var body, before []byte
	err := c.db.QueryRowContext(ctx, nextEntry+which, maxBody, maxSigner, maxSignature, after, upTo).
		Scan(&e.Seq, &e.kind, &at, &e.Of, &size, &body, &e.hash, &e.Signer, &e.sig, &before)
	if err != nil {
		return nil, err
	}
	e.At = time.Unix(0, at).UTC()
	switch err := e.decode(body); {
	case size > maxBody:
		e.Doubt = "it is too long to be read"
	case e.Seq > 1 && before == nil:
		e.Doubt = "the entry before it is missing"
	case !bytes.Equal(chain(before, e, body), e.hash):
		e.Doubt = "it was changed, or the one before it was"
	case err != nil:
		e.Doubt = "it cannot be read: " + err.Error()
	}
	return e, nil
}

// Entries gives all entries that the case has now, in their order. An entry
// that was changed comes with the Doubt that says so, as far as it can be
// read.
func (c *Case) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		head, err := c.head(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		c.entries(ctx, anyEntry, head)(yield)
	}
}
