package process

import (
	"context"
	"errors"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/asking"
	"github.com/quaestor-engine/quaestor/value"
)

// memory is the module of what processes have in memory. Its rows are the
// readable mappings, whose content can be asked about. Everything but the
// content is the module of mappings.
type memory struct {
	rows   *table.Module[region]
	schema modules.Schema
}

// The columns that speak of a place in the content, or of a rule that holds of
// it, stand behind the others.
const (
	lineAddress = iota
	lineContext
	lineMatch
	lineYara // the first of asking.Columns
)

func newMemory() *memory {
	columns := regionColumns()
	schema := modules.Schema{
		Name: "memory", Doc: "What processes have in memory: one row for each mapping that can be read, whose content can be asked about.",
		Key: "process", Locator: locator(), Content: true, Processes: true,
	}
	m := &memory{}
	m.rows = table.New(schema, columns, within("memory", readableRegions)).By()
	m.schema = *m.rows.Schema()
	m.schema.Columns = append(m.schema.Columns[:len(columns):len(columns)],
		modules.Column{Name: "address", Type: value.Text, Line: true, Cost: modules.Scan, Doc: "Where a match begins, in 16 hexadecimal digits; RETURN gives a row for each match."},
		modules.Column{Name: "context", Type: value.Text, Line: true, Content: true, Cost: modules.Scan, Doc: "The match and what stands around it, within WITH context; bytes that cannot be shown are dots."},
		modules.Column{Name: "match", Type: value.Bytes, Line: true, Content: true, Cost: modules.Scan, Doc: "The bytes that matched, as far as WITH context goes."},
	)
	m.schema.Columns = append(m.schema.Columns, asking.Columns()...)
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
	r, err := newMemoryRow(req, len(m.rows.Schema().Columns))
	if err != nil {
		return err
	}
	return m.rows.Scan(ctx, req, func(row modules.Row) error {
		r.Row, r.region = row, table.Item[region](row)
		r.told, r.asked = false, false
		r.rules.Forget()
		return yield(r)
	})
}

func newMemoryRow(req *modules.Request, columns int) (*memoryRow, error) {
	r := &memoryRow{req: req, columns: columns, answers: make([]value.Value, len(req.Questions))}
	var patterns []search.Pattern
	for _, q := range req.Questions {
		if q.Lines != modules.WholeContent || q.Test != nil {
			return nil, errors.New("memory has no lines: ask of it with CONTAINS, MATCHES or YARA, without ANY LINE and EVERY LINE")
		}
		r.pattern = append(r.pattern, -1)
		if q.Rules == nil {
			r.pattern[len(r.pattern)-1] = len(patterns)
			patterns = append(patterns, q.Pattern)
		}
	}
	set, err := search.Compile(patterns)
	if err != nil {
		return nil, err
	}
	rules, err := asking.Compile(req, columns+lineYara)
	if err != nil {
		return nil, err
	}
	r.scanner, r.rules = set.NewScanner(), rules.NewScanner()
	r.ruled = slices.ContainsFunc(req.Columns, func(c int) bool { return c >= columns+lineYara })
	return r, nil
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
	pattern []int           // of the scanner, by question; -1 for rules
	rules   *asking.Scanner // nil where no question is one of rules
	ruled   bool            // columns of rules are asked for
	columns int             // that are those of the mapping
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
	if i >= r.columns+lineYara {
		return r.rules.Column(i - r.columns - lineYara)
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
	clear(r.answers)
	r.asked = true
	seek, rules := r.begin(), false
	for q := range r.answers {
		if r.rules.Asks(q) {
			r.rules.Start(q, yara.Content{Size: -1, Process: true, At: &memoryReader{r.region}})
			rules = true
		}
	}
	whole, err := r.read(ctx, func(at uint64, b []byte) bool {
		if seek {
			seek = !r.scanner.Feed(b, false)
		}
		if rules {
			rules = r.rules.Feed(ctx, int64(at), b)
		}
		return !seek && !rules
	}, func() bool {
		seek = r.cut()
		return !seek && !rules
	})
	for q, a := range r.answers {
		switch {
		case err != nil || !a.IsNull():
		case r.rules.Asks(q):
			if err = r.rules.End(ctx, q, whole); err == nil {
				r.answers[q] = r.verdict(q)
			}
		case whole:
			r.answers[q] = value.NewBool(false)
		}
	}
	return err
}

// begin tells the scanner what to look for, which is nothing across a place
// where mappings do not follow at once, and says whether there is anything.
func (r *memoryRow) begin() bool {
	some := false
	r.scanner.Start()
	for q, a := range r.answers {
		if a.IsNull() && r.pattern[q] >= 0 {
			r.scanner.Want(r.pattern[q])
			some = true
		}
	}
	return some
}

// cut notes what was found before a gap, and says whether anything is left.
func (r *memoryRow) cut() bool {
	r.scanner.Feed(nil, true)
	for q, a := range r.answers {
		if p := r.pattern[q]; p >= 0 && a.IsNull() && r.scanner.Found(p) {
			r.answers[q] = value.NewBool(true)
		}
	}
	return r.begin()
}

// verdict gives what rules came to, and reports what nobody can say.
func (r *memoryRow) verdict(q int) value.Value {
	where := label(r.region.proc.pid) + ": memory at " + address(r.region.start)
	if doubt := r.rules.Doubt(q); doubt != "" {
		r.req.Report.Skip(modules.Skip{Kind: modules.SkipUndecided, Where: where, Detail: doubt})
	}
	if cut := r.rules.Cut(q); cut != "" {
		r.req.Report.Skip(modules.Skip{Kind: modules.SkipLimit, Where: where, Detail: cut})
	}
	return r.rules.Answer(q)
}

// skip reports once for each mapping what could not be read of it.
func (r *memoryRow) skip(kind modules.SkipKind, detail string) {
	if !r.told {
		r.told = true
		where := label(r.region.proc.pid) + ": memory at " + address(r.region.start)
		r.req.Report.Skip(modules.Skip{Kind: kind, Where: where, Detail: detail})
	}
}
