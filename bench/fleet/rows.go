package main

import (
	"context"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// rowsModule makes rows up, as fast as they are taken, so that the way from an
// agent to the investigator is measured and nothing else. They look like those
// of files: a path, a size, a hash.
type rowsModule struct{ bytes int64 }

// Schema says what the rows are.
func (rowsModule) Schema() *modules.Schema {
	return &modules.Schema{Name: "rows", Doc: "Rows that are made up, to be measured with.", Columns: []modules.Column{
		{Name: "path", Type: value.Text, Default: true, Doc: "A path."},
		{Name: "size", Type: value.Text, Default: true, Doc: "A size."},
		{Name: "sum", Type: value.Text, Default: true, Doc: "A hash."},
	}}
}

// Scan gives so many bytes of rows.
func (m rowsModule) Scan(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
	hash := uint64(88172645463325252)
	for sent, i := int64(0), 0; sent < m.bytes; i++ {
		hash ^= hash << 13
		hash ^= hash >> 7
		hash ^= hash << 17
		row := madeUp{
			"/usr/share/doc/package-" + strconv.Itoa(i/16) + "/changelog." + strconv.Itoa(i%16) + ".gz",
			strconv.FormatUint(hash%1_000_000, 10), strconv.FormatUint(hash, 16) + strconv.FormatUint(hash*2862933555777941757, 16),
		}
		for _, text := range row {
			sent += int64(len(text)) + 1
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

type madeUp [3]string

// Column gives a column of a row.
func (r madeUp) Column(_ context.Context, i int) (value.Value, error) {
	return value.NewText(r[i]), nil
}
