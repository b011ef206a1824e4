package meter

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// wantPage is what TestPage writes.
const wantPage = `# HELP a_seconds How long\na \\ is.
# TYPE a_seconds gauge
a_seconds 0.25
# HELP b_total Counted.
# TYPE b_total counter
b_total 9.007199254740992e+15
# HELP c_total By kind.
# TYPE c_total counter
c_total{kind="a \"quote\", a \\ and\nan end",other=""} 1
c_total{kind="plain",other=""} 2
# HELP d_seconds Took.
# TYPE d_seconds histogram
d_seconds_bucket{what="x",le="0.001"} 2
d_seconds_bucket{what="x",le="0.0025"} 3
d_seconds_bucket{what="x",le="0.005"} 3
d_seconds_bucket{what="x",le="0.01"} 3
d_seconds_bucket{what="x",le="0.025"} 3
d_seconds_bucket{what="x",le="0.05"} 3
d_seconds_bucket{what="x",le="0.1"} 3
d_seconds_bucket{what="x",le="0.25"} 3
d_seconds_bucket{what="x",le="0.5"} 3
d_seconds_bucket{what="x",le="1"} 3
d_seconds_bucket{what="x",le="2.5"} 3
d_seconds_bucket{what="x",le="5"} 4
d_seconds_bucket{what="x",le="10"} 4
d_seconds_bucket{what="x",le="30"} 4
d_seconds_bucket{what="x",le="60"} 4
d_seconds_bucket{what="x",le="+Inf"} 4
d_seconds_sum{what="x"} 5.002000001
d_seconds_count{what="x"} 4
`

// What is written is read back, with whatever a label holds.
func TestPage(t *testing.T) {
	h := &Histogram{}
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 5 * time.Second} {
		h.Observe(d)
	}
	var p Page
	p.Gauge("a_seconds", "How long\na \\ is.", 0.25)
	p.Counter("b_total", "Counted.", 1<<53)
	p.Family("c_total", TypeCounter, "By kind.")
	odd := "a \"quote\", a \\ and\nan end"
	p.Sample("c_total", 1, "kind", odd, "other", "")
	p.Sample("c_total", 2, "kind", "plain", "other", "")
	p.Family("d_seconds", TypeHistogram, "Took.")
	p.Histogram("d_seconds", h, "what", "x")
	if got := string(p.Bytes()); got != wantPage {
		t.Errorf("got\n%s", got)
	}
	s, err := Parse(p.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Find("a_seconds").Help; got != "How long\na \\ is." {
		t.Errorf("help %q", got)
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"b_total", nil, 1 << 53},
		{"c_total", []string{"other", "", "kind", odd}, 1},
		{"d_seconds_bucket", []string{"what", "x", "le", "1"}, 3},
		{"d_seconds_count", []string{"what", "x"}, 4},
	} {
		if v, ok := s.Value(c.name, c.labels...); !ok || v != c.want {
			t.Errorf("%s%v is %v, %v", c.name, c.labels, v, ok)
		}
	}
	if _, ok := s.Value("c_total"); ok {
		t.Error("a sample without labels where there are only some with")
	}
}

// What breaks a rule of the format is refused, and the line is named.
func TestParseRefuses(t *testing.T) {
	const head = "# HELP a_total A.\n# TYPE a_total counter\n"
	const hist = "# HELP h H.\n# TYPE h histogram\n"
	for name, text := range map[string]string{
		"no end":                 head + "a_total 1",
		"no head":                "a_total 1\n",
		"a type alone":           "# TYPE a_total counter\n",
		"a help alone":           "# HELP a_total A.\n",
		"a help before a sample": head + "a_total 1\n# HELP b B.\nb 1\n",
		"an unknown type":        "# HELP a A.\n# TYPE a number\n",
		"a family twice":         head + "a_total 1\n" + head,
		"a sample of another":    head + "b_total 1\n",
		"a sample twice":         head + "a_total{x=\"1\",y=\"2\"} 1\na_total{y=\"2\",x=\"1\"} 1\n",
		"a label twice":          head + "a_total{x=\"1\",x=\"2\"} 1\n",
		"a label's name":         head + "a_total{1x=\"1\"} 1\n",
		"a label's quote":        head + "a_total{x=\"1} 1\n",
		"a label's escape":       head + "a_total{x=\"\\t\"} 1\n",
		"labels without end":     head + "a_total{x=\"1\" 1\n",
		"no value":               head + "a_total\n",
		"a word":                 head + "a_total many\n",
		"an odd number":          head + "a_total 0x1p3\n",
		"a time behind it":       head + "a_total 1 1700000000\n",
		"a negative count":       head + "a_total -1\n",
		"a count that is none":   head + "a_total NaN\n",
		"an empty line":          head + "\na_total 1\n",
		"a name":                 "# HELP 1a A.\n# TYPE 1a gauge\n",
		"a bucket without le":    hist + "h_bucket 1\n",
		"le on a sum":            hist + "h_sum{le=\"1\"} 1\n",
		"no last bucket":         hist + "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
		"buckets that fall":      hist + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"bounds that fall":       hist + "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"another count":          hist + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
		"no sum":                 hist + "h_bucket{le=\"+Inf\"} 1\nh_count 1\n",
		"a histogram's own name": hist + "h 1\n",
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrPage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte(head + "a_total 1\na_total 2\n")); err == nil || !strings.Contains(err.Error(), "line 4") {
		t.Errorf("the line is not named: %v", err)
	}
	if _, err := Parse(make([]byte, MaxPage+1)); !errors.Is(err, ErrPage) {
		t.Errorf("a page without end: %v", err)
	}
}

// Nothing that is counted by many at once is lost, and a page that is written
// meanwhile is one.
func TestCountedByMany(t *testing.T) {
	var c Counter
	h := &Histogram{}
	const each, many = 2000, 8
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			for range each {
				c.Inc()
				h.Observe(time.Duration(i) * 100 * time.Microsecond)
			}
		})
	}
	for range 50 {
		var p Page
		p.Family("h", TypeHistogram, "H.")
		p.Histogram("h", h)
		if _, err := Parse(p.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if c.Value() != each*many || h.Count() != each*many {
		t.Errorf("%d and %d", c.Value(), h.Count())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# HELP a A.\n# TYPE a gauge\na{b=\"c\\n\"} 1e3\n"))
	f.Add([]byte("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		// What was read is written, and is read again as the same.
		var p Page
		for _, x := range s.Families {
			p.Family(x.Name, x.Type, x.Help)
			for _, y := range x.Samples {
				var labels []string
				for _, l := range y.Labels {
					labels = append(labels, l.Name, l.Value)
				}
				p.Sample(y.Name, y.Value, labels...)
			}
		}
		if _, err := Parse(p.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, p.Bytes())
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	h := &Histogram{}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(30 * time.Millisecond)
		}
	})
}
