package process

import (
	"context"
	"errors"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// memory is the module of what processes have in memory. Its rows are the
// readable mappings, whose content can be asked about. Everything but the
// content is the module of mappings.
type memory struct {
	rows   *table.Module[region]
	schema modules.Schema
}

// The columns that speak of a place in the content stand behind the others.
const (
	lineAddress = iota
	lineContext
	lineMatch
)

func newMemory() *memory {
	columns := regionColumns()
	schema := modules.Schema{
		Name: "memory", Doc: "What processes have in memory: one row for each mapping that can be read, whose content can be asked about.",
		Key: "process", Locator: locator(), Content: true,
	}
	m := &memory{}
	m.rows = table.New(schema, columns, within("memory", readableRegions)).By()
	m.schema = *m.rows.Schema()
	m.schema.Columns = append(m.schema.Columns[:len(columns):len(columns)],
		modules.Column{Name: "address", Type: value.Text, Line: true, Cost: modules.Scan, Doc: "Where a match begins, in 16 hexadecimal digits; RETURN gives a row for each match."},
		modules.Column{Name: "context", Type: value.Text, Line: true, Content: true, Cost: modules.Scan, Doc: "The match and what stands around it, within WITH context; bytes that cannot be shown are dots."},
		modules.Column{Name: "match", Type: value.Bytes, Line: true, Content: true, Cost: modules.Scan, Doc: "The bytes that matched, as far as WITH context goes."},
	)
	return m
}

// Schema implements modules.Module.
func (m *memory) Schema() *modules.Schema { return &m.schema }

// Scan implements modules.Module.
func (m *memory) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !slices.Contains(systemParts(), "memory") || req.Host.Root != "" && req.Host.Root != "/" {
		req.Report.Skip(modules.Skip{Kind: modules.SkipUnsupported, Where: "memory", Detail: "only that of a live machine with Linux or Windows can be read"})
		return nil
	}
	patterns := make([]search.Pattern, 0, len(req.Questions))
	for _, q := range req.Questions {
		if q.Lines != modules.WholeContent || q.Test != nil {
			return errors.New("memory has no lines: ask of it with CONTAINS or MATCHES, without ANY LINE and EVERY LINE")
		}
		patterns = append(patterns, q.Pattern)
	}
	set, err := search.Compile(patterns)
	if err != nil {
		return err
	}
	r := &memoryRow{
		req: req, scanner: set.NewScanner(), answers: make([]value.Value, len(req.Questions)),
		columns: len(m.rows.Schema().Columns),
	}
	return m.rows.Scan(ctx, req, func(row modules.Row) error {
		r.Row, r.region = row, table.Item[region](row)
		r.told, r.asked = false, false
		return yield(r)
	})
}

func readableRegions(p *proc, yield func(*region) error) error {
	return p.regions(func(r *region) error {
		if !r.readable() || r.name == "[vvar]" || r.name == "[vsyscall]" || r.name == "[vvar_vclock]" {
			return nil
		}
		return yield(r)
	})
}

// A memoryRow is a mapping whose content can be asked about.
type memoryRow struct {
	modules.Row
	region  *region
	req     *modules.Request
	scanner *search.Scanner
	columns int // that are those of the mapping
	answers []value.Value
	asked   bool // answers are those of this mapping
	told    bool // what could not be read of it was reported
	hit     hit
	buffer  []byte
}

// Column implements modules.Row.
func (r *memoryRow) Column(ctx context.Context, i int) (value.Value, error) {
	if i < r.columns {
		return r.Row.Column(ctx, i)
	}
	if !r.hit.known {
		return value.Value{}, nil
	}
	switch i - r.columns {
	case lineAddress:
		return value.NewText(address(r.hit.address)), nil
	case lineContext:
		return value.NewText(r.hit.context), nil
	case lineMatch:
		return value.NewBytes(r.hit.match), nil
	}
	return value.Value{}, errors.New("memory: no such column")
}

// Ask implements modules.Asker: one pass answers all that was not asked yet.
func (r *memoryRow) Ask(ctx context.Context, q int) (value.Value, error) {
	if !r.asked {
		if err := r.pass(ctx); err != nil {
			return value.Value{}, err
		}
	}
	return r.answers[q], nil
}

// pass takes the content once. What was not found is known not to be there
// only if everything could be read.
func (r *memoryRow) pass(ctx context.Context) error {
	begin := func() {
		r.scanner.Start()
		for q, a := range r.answers {
			if a.IsNull() {
				r.scanner.Want(q)
			}
		}
	}
	clear(r.answers)
	begin()
	whole, err := r.read(ctx, func(_ uint64, b []byte) bool {
		return r.scanner.Feed(b, false)
	}, func() bool {
		r.scanner.Feed(nil, true)
		left := false
		for q, a := range r.answers {
			if a.IsNull() && r.scanner.Found(q) {
				r.answers[q] = value.NewBool(true)
			}
			left = left || r.answers[q].IsNull()
		}
		if left {
			begin()
		}
		return !left
	})
	for q, a := range r.answers {
		if whole && a.IsNull() {
			r.answers[q] = value.NewBool(false)
		}
	}
	r.asked = true
	return err
}

// skip reports once for each mapping what could not be read of it.
func (r *memoryRow) skip(kind modules.SkipKind, detail string) {
	if !r.told {
		r.told = true
		where := label(r.region.proc.pid) + ": memory at " + address(r.region.start)
		r.req.Report.Skip(modules.Skip{Kind: kind, Where: where, Detail: detail})
	}
}
