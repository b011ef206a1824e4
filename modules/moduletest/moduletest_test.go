package moduletest

import (
	"context"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// good is a module that keeps the contract.
type good struct{ rows int }

func (g good) Schema() *modules.Schema {
	return &modules.Schema{
		Name: "good", Doc: "Numbers.", Key: "n",
		Columns: []modules.Column{{Name: "n", Type: value.Int, Default: true, Doc: "The number."}},
	}
}

func (g good) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for i := range g.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		req.Report.Looked("numbers", 1)
		if err := yield(number(i)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type number int

func (n number) Column(context.Context, int) (value.Value, error) {
	return value.NewInt(int64(n)), nil
}

func TestGoodModule(t *testing.T) {
	Run(t, good{rows: 1}, t.TempDir())
	Run(t, good{rows: 100}, t.TempDir())
}

func TestRecorder(t *testing.T) {
	var r Recorder
	r.Looked("files", 2)
	r.Looked("files", 3)
	r.Skip(modules.Skip{Kind: modules.SkipIO, Where: "/x"})
	if r.Count("files") != 5 || r.Count("other") != 0 {
		t.Errorf("counts are %d and %d", r.Count("files"), r.Count("other"))
	}
	if s := r.Skips(); len(s) != 1 || s[0].Where != "/x" {
		t.Errorf("skips are %v", s)
	}
}
