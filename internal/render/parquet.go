package render

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// parquetBatch is how many rows are handed over at once, and parquetGroup how
// many make a group of the file, which is what is held in memory.
const (
	parquetBatch = 256
	parquetGroup = 20_000
)

// columnar writes Apache Parquet: numbers, booleans and times (in microseconds,
// so that all years fit) as such, sizes in bytes, durations in nanoseconds,
// lists as lists of text, all else as text; every column can be null. A file holds one table: the others go where
// Options.Another says.
type columnar struct {
	w      io.Writer
	opts   Options
	tables []*parquetTable
}

type parquetTable struct {
	table  Table
	file   io.WriteCloser // nil: the sink's writer
	writer *parquet.Writer
	leaf   []int // the file's column of each of ours
	batch  []parquet.Row
	rows   int
}

func newParquet(w io.Writer, o Options) Sink { return &columnar{w: w, opts: o} }

// Begin implements Sink.
func (c *columnar) Begin(tables []Table) error {
	if len(tables) > 1 && c.opts.Another == nil {
		return errors.New("a Parquet file holds one table, and this answer has several\nhint: --output NAME.parquet writes NAME-TABLE.parquet beside it")
	}
	for i, t := range tables {
		p := &parquetTable{table: t}
		w := c.w
		if i > 0 {
			var err error
			if p.file, err = c.opts.Another(t.Name); err != nil {
				return err
			}
			w = p.file
		}
		c.tables = append(c.tables, p)
		p.open(w)
	}
	return nil
}

func (p *parquetTable) open(w io.Writer) {
	group := parquet.Group{}
	names := make([]string, len(p.table.Columns))
	for i, col := range p.table.Columns {
		name := col.Name
		for n := 2; group[name] != nil; n++ {
			name = fmt.Sprintf("%s_%d", col.Name, n)
		}
		names[i], group[name] = name, parquet.Optional(parquetNode(col.Type))
	}
	schema := parquet.NewSchema("row", group)
	p.writer = parquet.NewWriter(w, schema, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("quaestor", "1", ""))
	p.leaf = make([]int, len(p.table.Columns))
	for i, col := range p.table.Columns {
		path := []string{names[i]}
		if col.Type == value.List {
			path = append(path, "list", "element")
		}
		if leaf, ok := schema.Lookup(path...); ok {
			p.leaf[i] = leaf.ColumnIndex
		}
	}
}

func parquetNode(t value.Type) parquet.Node {
	switch t {
	case value.Int, value.Size, value.Duration:
		return parquet.Int(64)
	case value.Float:
		return parquet.Leaf(parquet.DoubleType)
	case value.Bool:
		return parquet.Leaf(parquet.BooleanType)
	case value.Time:
		return parquet.Timestamp(parquet.Microsecond)
	case value.Bytes:
		return parquet.Leaf(parquet.ByteArrayType)
	case value.List:
		return parquet.List(parquet.String())
	}
	return parquet.String()
}

// Row implements Sink.
func (c *columnar) Row(table int, values []value.Value) error {
	p := c.tables[table]
	row := make(parquet.Row, len(values))
	// Values of one column stand together, in the order of the file's columns.
	at := make([][]parquet.Value, len(values))
	for i, v := range values {
		cells, err := parquetValues(v, p.table.Columns[i], p.leaf[i])
		if err != nil {
			return err
		}
		at[p.leaf[i]] = cells
	}
	row = row[:0]
	for _, cells := range at {
		row = append(row, cells...)
	}
	if p.batch = append(p.batch, row); len(p.batch) < parquetBatch {
		return nil
	}
	return p.write()
}

func (p *parquetTable) write() error {
	if len(p.batch) == 0 {
		return nil
	}
	_, err := p.writer.WriteRows(p.batch)
	if err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	before := p.rows / parquetGroup
	p.rows += len(p.batch)
	p.batch = p.batch[:0]
	if p.rows/parquetGroup > before {
		return p.writer.Flush()
	}
	return nil
}

// parquetValues gives a value with its levels: how deep it is defined, and
// whether it repeats.
func parquetValues(v value.Value, col Column, leaf int) ([]parquet.Value, error) {
	if v.IsNull() {
		return []parquet.Value{parquet.NullValue().Level(0, 0, leaf)}, nil
	}
	if col.Type != value.List {
		return []parquet.Value{parquetValue(v, col.Type).Level(0, 1, leaf)}, nil
	}
	if v.Type() != value.List {
		return nil, fmt.Errorf("parquet: the column %s is a list, and %s is none", col.Name, v.Literal())
	}
	if len(v.List()) == 0 {
		return []parquet.Value{parquet.NullValue().Level(0, 1, leaf)}, nil
	}
	var out []parquet.Value
	for i, m := range v.List() {
		out = append(out, parquet.ValueOf(rawText(m)).Level(min(i, 1), 2, leaf))
	}
	return out, nil
}

func parquetValue(v value.Value, typ value.Type) parquet.Value {
	switch t := v.Type(); {
	case typ == value.Time && t == value.Time:
		return parquet.ValueOf(v.Time().UnixMicro())
	case typ == value.Duration && t == value.Duration:
		return parquet.ValueOf(int64(v.Duration()))
	case (typ == value.Int || typ == value.Size) && (t == value.Int || t == value.Size):
		return parquet.ValueOf(v.Int())
	case typ == value.Float && t == value.Float:
		return parquet.ValueOf(v.Float())
	case typ == value.Float && t == value.Int:
		return parquet.ValueOf(float64(v.Int()))
	case typ == value.Bool && t == value.Bool:
		return parquet.ValueOf(v.Bool())
	case typ == value.Bytes && t == value.Bytes:
		return parquet.ValueOf(v.Bytes())
	}
	return parquet.ValueOf(rawText(v))
}

// rawText gives a value as text that is not shortened or escaped.
func rawText(v value.Value) string {
	switch v.Type() {
	case value.Text, value.Version:
		return v.Text()
	case value.Null:
		return ""
	}
	return v.String()
}

// Flush implements Sink: what waits is no group yet.
func (c *columnar) Flush() error { return nil }

// End implements Sink. The account has no place in the file.
func (c *columnar) End(answer.Summary) error {
	var errs error
	for _, p := range c.tables {
		err := p.write()
		if err == nil {
			err = p.writer.Close()
		}
		if p.file != nil {
			err = errors.Join(err, p.file.Close())
		}
		errs = errors.Join(errs, err)
	}
	return errs
}
