package records

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/sqlite"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// maxRecord bounds in bytes what is written of a row.
const maxRecord = 16 << 20

// A record is a row of a database.
type record struct {
	path  string
	table *sqlite.Table
	row   *sqlite.Row
}

func sqliteModule() modules.Module {
	return table.New(modules.Schema{
		Name: "sqlite", Doc: "The rows of SQLite databases, with what is in the log beside them and was committed. Databases that are compressed are not read.",
		Locator: places(modules.LocatorRequired, "/home/*/.mozilla/firefox/*/places.sqlite"),
	}, []table.Column[record]{
		table.Text("path", "The file.", func(r *record) string { return r.path }).To("file").Shown(),
		table.Text("table", "The table; sqlite_schema lists the others. Where a query names one, no other is read.", func(r *record) string { return r.table.Name }).Shown(),
		table.Value("rowid", value.Int, "The number of the row in its table; null in a table WITHOUT ROWID.", func(r *record) value.Value {
			if !r.table.HasRowid() {
				return value.Value{}
			}
			return value.NewInt(r.row.ID)
		}).Shown(),
		table.Texts("columns", "The names of the table's columns, without those that are computed.", func(r *record) []string { return r.table.Columns }),
		table.Computed("record", value.Text, "The row as a JSON object with its columns, of which field(record, \"url\") gives one; a blob is in base64.", writeRecord).Sensitive(),
	}, func(s *table.Scan, yield func(*record) error) error {
		return s.Files(func(name string) error { return readDatabase(s, name, yield) })
	}).By()
}

func readDatabase(s *table.Scan, name string, yield func(*record) error) error {
	db, err := sqlite.Open(s.FS, name)
	if err != nil {
		s.Fail(name, err)
		return nil
	}
	defer db.Close()
	for _, t := range db.Tables() {
		if !s.Wanted("table", t.Name) {
			continue
		}
		var stopped error
		r := record{path: name, table: t}
		err := db.Rows(s.Context(), t, func(row *sqlite.Row) error {
			r.row = row
			stopped = yield(&r)
			return stopped
		})
		switch {
		case stopped != nil:
			return stopped
		case s.Context().Err() != nil:
			return s.Context().Err()
		case err != nil && db.Check() != nil:
			whole(s, name, db)
			return nil
		case err != nil:
			s.Fail(name+": table "+t.Name, err)
		}
	}
	whole(s, name, db)
	return nil
}

// whole reports a database that changed while it was read.
func whole(s *table.Scan, name string, db *sqlite.DB) {
	if err := db.Check(); errors.Is(err, sqlite.ErrChanged) {
		s.Skip(modules.SkipChanged, name, err.Error())
	} else if err != nil {
		s.Fail(name, err)
	}
}

// writeRecord writes a row as JSON. One that is too long is reported.
func writeRecord(s *table.Scan, r *record) (value.Value, error) {
	b := []byte{'{'}
	for i, v := range r.row.Values {
		if i > 0 {
			b = append(b, ',')
		}
		name := strconv.Itoa(i + 1) // what no column is declared for
		if i < len(r.table.Columns) {
			name = r.table.Columns[i]
		}
		b = appendJSON(b, name)
		b = append(b, ':')
		if len(b)+2*len(v.Bytes) > maxRecord {
			s.Fail(fmt.Sprintf("%s: table %s: row %d", r.path, r.table.Name, r.row.ID), hostfs.ErrTooLarge)
			return value.Value{}, nil
		}
		switch v.Kind {
		case sqlite.Null:
			b = append(b, "null"...)
		case sqlite.Text:
			b = appendJSON(b, string(v.Bytes))
		case sqlite.Blob:
			b = append(b, '"')
			b = base64.StdEncoding.AppendEncode(b, v.Bytes)
			b = append(b, '"')
		default:
			b = append(b, number(v)...)
		}
	}
	return value.NewText(string(append(b, '}'))), nil
}

// number writes a number; infinite ones, which JSON does not have, as the
// number beyond all others that SQLite writes.
func number(v sqlite.Value) string {
	switch text := v.String(); text {
	case "+Inf":
		return "9e999"
	case "-Inf":
		return "-9e999"
	default:
		return text
	}
}

// appendJSON writes a text as JSON, and leaves the signs of HTML as they are.
func appendJSON(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var quoted bytes.Buffer
			e := json.NewEncoder(&quoted)
			e.SetEscapeHTML(false)
			_ = e.Encode(text) // of a text there is always one
			return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
