package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
)

// benchTree gives the corpus of the comparisons if it has been made, else
// 20,000 small files.
func benchTree(b *testing.B) string {
	if dir := os.Getenv("QUAESTOR_BENCH"); dir != "" {
		return dir
	}
	root := b.TempDir()
	text := make([]byte, 20<<10)
	for i := range text {
		text[i] = byte('a' + i*i%23)
	}
	for d := range 200 {
		dir := filepath.Join(root, fmt.Sprintf("d%03d", d))
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for f := range 100 {
			size := 1 << 10 * (1 + (d*f)%19)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%03d.so", f)), text[:size], 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return root
}

func scanBench(b *testing.B, q *query, f func(modules.Row) bool) {
	m := New().(*module)
	b.ReportAllocs()
	var files, hits atomic.Int64
	for b.Loop() {
		err := m.Scan(context.Background(), &q.Request, func(r modules.Row) error {
			files.Add(1)
			if f(r) {
				hits.Add(1)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files.Load()), "ns/file")
	b.ReportMetric(float64(hits.Load())/float64(b.N), "hits")
}

func column(b *testing.B, r modules.Row, i int) string {
	v, err := r.Column(context.Background(), i)
	if err != nil {
		b.Fatal(err)
	}
	return v.RawText()
}

func BenchmarkName(b *testing.B) {
	q := ask(benchTree(b))
	scanBench(b, q, func(r modules.Row) bool {
		name := column(b, r, colName)
		return len(name) > 3 && name[len(name)-3:] == ".so" && column(b, r, colPath) != ""
	})
}

func BenchmarkStat(b *testing.B) {
	q := ask(benchTree(b))
	scanBench(b, q, func(r modules.Row) bool {
		v, err := r.Column(context.Background(), colSize)
		return err == nil && v.Int() > 10<<10
	})
}

func BenchmarkLiteral(b *testing.B) {
	q := ask(benchTree(b))
	q.Questions = []modules.Question{literal("xK9beacon-7f3a9c.evil-c2.example")}
	scanBench(b, q, func(r modules.Row) bool {
		v, err := r.(modules.Asker).Ask(context.Background(), 0)
		return err == nil && v.Bool()
	})
}

func BenchmarkSHA256(b *testing.B) {
	q := ask(benchTree(b))
	scanBench(b, q, func(r modules.Row) bool { return column(b, r, colSHA256) != "" })
}
