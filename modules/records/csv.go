package records

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A cell is a value of a table.
type cell struct {
	path, column, value string
	record              int64
}

func csvModule() modules.Module {
	return table.New(modules.Schema{
		Name: "csv", Doc: "The cells of files of comma-separated values, whose first record names the columns.",
		Locator: places(modules.LocatorRequired, "/srv/**/*.csv"),
	}, []table.Column[cell]{
		table.Text("path", "The file.", func(c *cell) string { return c.path }).To("file").Shown(),
		table.Int("record", "The number of the record, from 1, without the first, which names the columns.", func(c *cell) int64 { return c.record }).Shown(),
		table.Text("column", "The name of the column; its number where there is no name.", func(c *cell) string { return c.column }).Shown(),
		table.Text("value", "What stands there; null where that is nothing.", func(c *cell) string { return c.value }).Sensitive(),
	}, func(s *table.Scan, yield func(*cell) error) error {
		return s.Files(func(name string) error {
			r, c, err := open(s, name)
			if err != nil {
				s.Fail(name, err)
				return nil
			}
			defer c.Close()
			return cells(r, func(x *cell) error {
				x.path = name
				return yield(x)
			}, func(record int64, err error) { s.Fail(fmt.Sprintf("%s: record %d", name, record), err) })
		})
	}).By()
}

// cells reads a table by RFC 4180. A record that is malformed is left out and
// named, and ends the file, since nobody knows where the next begins.
func cells(r io.Reader, yield func(*cell) error, malformed func(record int64, err error)) error {
	in := csv.NewReader(&bounded{r: r, left: maxDocument})
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	var names []string
	for n := int64(0); ; n++ {
		record, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
				err = hostfs.ErrMalformed
			}
			malformed(n, err)
			return nil
		}
		if n == 0 {
			names = append(names, record...)
			continue
		}
		for i, v := range record {
			c := cell{column: strconv.Itoa(i + 1), value: v, record: n}
			if i < len(names) && names[i] != "" {
				c.column = names[i]
			}
			if err := yield(&c); err != nil {
				return err
			}
		}
	}
}

// bounded is a reader that fails where more follows than may.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, hostfs.ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
