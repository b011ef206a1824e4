// Package sqldriver lets programs and tools that speak database/sql ask
// questions: one's own machine, or a fleet, through any quaestor.Session.
//
// [New] gives what sql.OpenDB takes:
//
//	db := sql.OpenDB(sqldriver.New(session))
//	rows, err := db.QueryContext(ctx, `PARAM n text FIND file /etc/* WHERE name = $n RETURN path, size`, sql.Named("n", "passwd"))
//
// The text is a query of Quaestor and not SQL. Arguments have names; a slice
// stands for the list @name. Each table of an answer is a result set. Nothing
// can be changed: Exec and transactions are refused.
//
// An answer that left something out ends with an [*Incomplete] from rows.Err,
// so that rows that are missing never pass as rows that do not exist; who can
// do with less says so with [AllowPartial].
package sqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// ErrReadOnly refuses Exec and transactions.
var ErrReadOnly = errors.New("quaestor: a query only looks; it changes nothing")

// Incomplete is the error of an answer that left something out.
type Incomplete struct{ Summary answer.Summary }

// Error says what the account does.
func (e *Incomplete) Error() string {
	text := "quaestor: the answer is " + e.Summary.Outcome.String()
	if e.Summary.Reason != "" {
		text += ": " + e.Summary.Reason
	}
	for _, s := range e.Summary.Skipped {
		text += fmt.Sprintf("; %d %s", s.Count, s.Kind)
	}
	return text
}

// An Option changes what New makes.
type Option func(*connector)

// AllowPartial lets an answer that left something out end like any other.
func AllowPartial() Option { return func(c *connector) { c.partial = true } }

// New gives a connector for sql.OpenDB. The session stays its owner's: closing
// the sql.DB does not close it.
func New(s quaestor.Session, opts ...Option) driver.Connector {
	c := &connector{session: s}
	for _, set := range opts {
		set(c)
	}
	return c
}

// Register makes a session known to sql.Open by a name, for tools that open
// databases by name; what follows the name there is ignored. It panics where
// the name is taken, as sql.Register does.
func Register(name string, s quaestor.Session, opts ...Option) {
	c, ok := New(s, opts...).(*connector)
	if !ok {
		panic("sqldriver: New gives another connector")
	}
	sql.Register(name, named{c})
}

// named is the driver that sql.Register wants.
type named struct{ *connector }

// Open implements driver.Driver.
func (n named) Open(string) (driver.Conn, error) { return &conn{n.connector}, nil }

type connector struct {
	session quaestor.Session
	partial bool
}

// Connect implements driver.Connector: a session takes many questions at once.
func (c *connector) Connect(context.Context) (driver.Conn, error) { return &conn{c}, nil }

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return named{c} }

type conn struct{ *connector }

// Prepare implements driver.Conn.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	p, err := c.session.Prepare(query)
	if err != nil {
		return nil, err
	}
	return &stmt{c.connector, p}, nil
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	p, err := c.session.Prepare(query)
	if err != nil {
		return nil, err
	}
	return (&stmt{c.connector, p}).QueryContext(ctx, args)
}

// ExecContext implements driver.ExecerContext: it refuses.
func (c *conn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, ErrReadOnly
}

// Begin implements driver.Conn: it refuses.
func (c *conn) Begin() (driver.Tx, error) { return nil, ErrReadOnly }

// Ping implements driver.Pinger: it is asked for when a fleet is, not before.
func (c *conn) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements driver.Conn.
func (c *conn) Close() error { return nil }

// CheckNamedValue implements driver.NamedValueChecker: what an argument may be
// is quaestor.Arg's business.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if v.Name == "" {
		return fmt.Errorf("quaestor: argument %d has no name\nhint: sql.Named(\"since\", …) for $since", v.Ordinal)
	}
	return nil
}

type stmt struct {
	*connector
	prepared *quaestor.Prepared
}

// NumInput implements driver.Stmt: how many arguments there are is checked
// with their names.
func (s *stmt) NumInput() int { return -1 }

// Close implements driver.Stmt.
func (s *stmt) Close() error { return nil }

// Exec implements driver.Stmt: it refuses.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, ErrReadOnly }

// ExecContext implements driver.StmtExecContext: it refuses.
func (s *stmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return nil, ErrReadOnly
}

// Query implements driver.Stmt, for callers without names.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	if len(args) > 0 {
		return nil, errors.New("quaestor: arguments have names\nhint: sql.Named")
	}
	return s.QueryContext(context.Background(), nil)
}

// QueryContext implements driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	var with []quaestor.Argument
	for _, a := range args {
		with = append(with, quaestor.Arg(a.Name, a.Value))
	}
	got, err := s.prepared.Query(ctx, with...)
	if err != nil {
		return nil, err
	}
	r := &rows{answer: got, partial: s.partial, held: make([][][]value.Value, len(got.Tables()))}
	r.next, r.stop = iter.Pull2(got.All())
	return r, nil
}

// mostHeld is how many rows of later tables are held while an earlier one is
// read: database/sql takes one table after the other.
const mostHeld = 1_000_000

// rows are the tables of an answer, one after the other.
type rows struct {
	answer  *quaestor.Rows
	partial bool
	table   int
	next    func() (quaestor.Row, error, bool)
	stop    func()
	ended   bool
	held    [][][]value.Value // rows that came before their turn, by table
	count   int
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string {
	var names []string
	for _, c := range r.columns() {
		names = append(names, c.Name)
	}
	return names
}

func (r *rows) columns() []quaestor.Column { return r.answer.Tables()[r.table].Columns }

// Close implements driver.Rows.
func (r *rows) Close() error {
	r.stop()
	return r.answer.Close()
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	values, err := r.row()
	if err != nil {
		return err
	}
	for i, v := range values {
		if dest[i], err = driverValue(v); err != nil {
			return err
		}
	}
	return nil
}

// row gives the next row of the table.
func (r *rows) row() ([]value.Value, error) {
	if held := r.held[r.table]; len(held) > 0 {
		r.held[r.table] = held[1:]
		r.count--
		return held[0], nil
	}
	for !r.ended {
		row, err, more := r.next()
		switch {
		case !more:
			r.ended = true
		case err != nil:
			return nil, err
		case row.Table() == r.table:
			return row.Values(), nil
		case row.Table() > r.table: // those of tables before were passed by
			if r.count++; r.count > mostHeld {
				return nil, fmt.Errorf("quaestor: more than %d rows of later tables came before the table %s ended\nhint: ask them one by one", mostHeld, r.answer.Tables()[r.table].Name)
			}
			var kept []value.Value
			for _, v := range row.Values() {
				kept = append(kept, v.Clone())
			}
			r.held[row.Table()] = append(r.held[row.Table()], kept)
		}
	}
	if sum := r.answer.Summary(); !r.partial && sum.Outcome != answer.Complete {
		return nil, &Incomplete{sum}
	}
	return nil, io.EOF
}

// HasNextResultSet implements driver.RowsNextResultSet.
func (r *rows) HasNextResultSet() bool { return r.table+1 < len(r.answer.Tables()) }

// NextResultSet implements driver.RowsNextResultSet.
func (r *rows) NextResultSet() error {
	if !r.HasNextResultSet() {
		return io.EOF
	}
	r.held[r.table] = nil
	r.table++
	return nil
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName:
// the type as the language calls it.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return r.columns()[i].Type.String() }

// ColumnTypeNullable implements driver.RowsColumnTypeNullable: every column is.
func (r *rows) ColumnTypeNullable(int) (nullable, ok bool) { return true, true }

// ColumnTypeScanType implements driver.RowsColumnTypeScanType.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	switch r.columns()[i].Type {
	case value.Int, value.Size, value.Duration:
		return reflect.TypeFor[int64]()
	case value.Float:
		return reflect.TypeFor[float64]()
	case value.Bool:
		return reflect.TypeFor[bool]()
	case value.Time:
		return reflect.TypeFor[time.Time]()
	case value.Bytes:
		return reflect.TypeFor[[]byte]()
	case value.Null:
		return reflect.TypeFor[any]()
	}
	return reflect.TypeFor[string]()
}

// driverValue gives a value as database/sql takes it: sizes in bytes and
// durations in nanoseconds as numbers, lists as JSON, and what it has no type
// for as text. Text is given unchanged: it is evidence, and escaping it for a
// terminal is for who shows it.
func driverValue(v value.Value) (driver.Value, error) {
	switch v.Type() {
	case value.Null:
		return nil, nil
	case value.Text, value.Version:
		return v.Text(), nil
	case value.Bytes:
		return v.Clone().Bytes(), nil
	case value.Int, value.Size:
		return v.Int(), nil
	case value.Duration:
		return int64(v.Duration()), nil
	case value.Float:
		return v.Float(), nil
	case value.Bool:
		return v.Bool(), nil
	case value.Time:
		return v.Time(), nil
	case value.List:
		list := make([]any, len(v.List()))
		for i, m := range v.List() {
			x, err := driverValue(m)
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, fmt.Errorf("quaestor: a list: %w", err)
		}
		return string(text), nil
	}
	return v.String(), nil
}
