package library

import (
	"math"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
)

// A histogram says how often each byte stands in a range.
type histogram struct {
	of    [256]int64
	total int64
}

func (h *histogram) add(b []byte) {
	for _, c := range b {
		h.of[c]++
	}
	h.total += int64(len(b))
}

// counts gives the histogram of a range, which is remembered; nil where the
// content does not have it.
func (c *content) histogram(at, size int64) *histogram {
	key := part{"", at, size}
	if h, ok := c.counts[key]; ok {
		return h
	}
	h := &histogram{}
	if !c.blocks(at, size, h.add) {
		h = nil
	}
	c.counts[key] = h
	return h
}

func mathModule() *yara.Module {
	t := field.Table[*content]{
		"MEAN_BYTES":           {Type: yara.Const(yara.Number(127.5))},
		"entropy":              ofBytes((*histogram).entropy),
		"mean":                 ofBytes((*histogram).mean),
		"index_of_coincidence": ofBytes((*histogram).coincidence),
		"deviation": field.Func(
			call(yara.Float, func(c *content, a []yara.Value) yara.Value {
				return number(c.histogram(a[0].Int(), a[1].Int()), func(h *histogram) (float64, bool) { return h.deviation(a[2].Float()), true })
			}, yara.Int, yara.Int, yara.Float),
			call(yara.Float, func(_ *content, a []yara.Value) yara.Value {
				return number(counted(a[0].Text()), func(h *histogram) (float64, bool) { return h.deviation(a[1].Float()), true })
			}, yara.String, yara.Float)),
		"serial_correlation": overBytes(yara.Float, "serial_correlation", serialCorrelation),
		"monte_carlo_pi":     overBytes(yara.Float, "monte_carlo_pi", monteCarlo),
		"in_range": field.Func(call(yara.Int, func(_ *content, a []yara.Value) yara.Value {
			x := a[0].Float()
			return truth(x >= a[1].Float() && x <= a[2].Float())
		}, yara.Float, yara.Float, yara.Float)),
		"min": field.Func(call(yara.Int, func(_ *content, a []yara.Value) yara.Value {
			return yara.Integer(int64(min(uint64(a[0].Int()), uint64(a[1].Int()))))
		}, yara.Int, yara.Int)),
		"max": field.Func(call(yara.Int, func(_ *content, a []yara.Value) yara.Value {
			return yara.Integer(int64(max(uint64(a[0].Int()), uint64(a[1].Int()))))
		}, yara.Int, yara.Int)),
		"abs": field.Func(call(yara.Int, func(_ *content, a []yara.Value) yara.Value {
			return yara.Integer(max(a[0].Int(), -a[0].Int()))
		}, yara.Int)),
		"to_number": field.Func(call(yara.Int, func(_ *content, a []yara.Value) yara.Value { return truth(a[0].Bool()) }, yara.Bool)),
		"to_string": toString(),
	}
	addCounts(t)
	return module("math", t, newContent)
}

// addCounts adds what is said of single bytes: of a range, or of all.
func addCounts(t field.Table[*content]) {
	ofByte := func(result yara.Kind, get func(h *histogram, b int64) yara.Value) field.Field[*content] {
		of := func(c *content, a []yara.Value, at, size int64) yara.Value {
			h := c.histogram(at, size)
			if b := a[0].Int(); h != nil && b >= 0 && b < 256 {
				return get(h, b)
			}
			return yara.Undefined()
		}
		return field.Func(
			call(result, func(c *content, a []yara.Value) yara.Value { return of(c, a, a[1].Int(), a[2].Int()) }, yara.Int, yara.Int, yara.Int),
			call(result, func(c *content, a []yara.Value) yara.Value { return of(c, a, 0, math.MaxInt64) }, yara.Int))
	}
	t["count"] = ofByte(yara.Int, func(h *histogram, b int64) yara.Value { return yara.Integer(h.of[b]) })
	t["percentage"] = ofByte(yara.Float, func(h *histogram, b int64) yara.Value {
		return yara.Number(float64(h.of[b]) / float64(h.total))
	})
	mode := func(h *histogram) yara.Value {
		if h == nil {
			return yara.Undefined()
		}
		best := 0
		for b, n := range h.of {
			if n > h.of[best] {
				best = b
			}
		}
		return yara.Integer(int64(best))
	}
	t["mode"] = field.Func(
		call(yara.Int, func(c *content, a []yara.Value) yara.Value { return mode(c.histogram(a[0].Int(), a[1].Int())) }, yara.Int, yara.Int),
		call(yara.Int, func(c *content, _ []yara.Value) yara.Value { return mode(c.histogram(0, math.MaxInt64)) }))
}

func call(result yara.Kind, do func(*content, []yara.Value) yara.Value, args ...yara.Kind) field.Call[*content] {
	return field.Call[*content]{Args: args, Result: result, Do: do}
}

func truth(b bool) yara.Value {
	if b {
		return yara.Integer(1)
	}
	return yara.Integer(0)
}

func counted(text string) *histogram {
	h := &histogram{}
	h.add([]byte(text))
	return h
}

func number(h *histogram, get func(*histogram) (float64, bool)) yara.Value {
	if h != nil {
		if f, ok := get(h); ok {
			return yara.Number(f)
		}
	}
	return yara.Undefined()
}

// ofBytes is a number that comes from how often each byte stands in a range
// or a text.
func ofBytes(get func(*histogram) (float64, bool)) field.Field[*content] {
	return field.Func(
		call(yara.Float, func(c *content, a []yara.Value) yara.Value { return number(c.histogram(a[0].Int(), a[1].Int()), get) }, yara.Int, yara.Int),
		call(yara.Float, func(_ *content, a []yara.Value) yara.Value { return number(counted(a[0].Text()), get) }, yara.String))
}

func (h *histogram) entropy() (bits float64, ok bool) {
	for _, n := range h.of {
		if n > 0 {
			p := float64(n) / float64(h.total)
			bits -= p * math.Log2(p)
		}
	}
	return bits, true
}

func (h *histogram) mean() (float64, bool) {
	var sum float64
	for b, n := range h.of {
		sum += float64(b) * float64(n)
	}
	return sum / float64(h.total), h.total > 0
}

func (h *histogram) deviation(from float64) float64 {
	var sum float64
	for b, n := range h.of {
		sum += math.Abs(float64(b)-from) * float64(n)
	}
	return sum / float64(h.total)
}

func (h *histogram) coincidence() (float64, bool) {
	var sum float64
	for _, n := range h.of {
		sum += float64(n) * float64(n-1)
	}
	return sum / (float64(h.total) * float64(h.total-1)), h.total > 1
}

// serialCorrelation says how much a byte depends on the one before it.
func serialCorrelation() (func([]byte), func() yara.Value) {
	var products, sum, squares, last, n float64
	return func(b []byte) {
			for _, c := range b {
				x := float64(c)
				products += last * x
				sum += x
				squares += x * x
				last = x
			}
			n += float64(len(b))
		}, func() yara.Value {
			below := n*squares - sum*sum
			if below == 0 {
				return yara.Number(-100000) // as YARA says that all are the same
			}
			return yara.Number((n*(products+last*last) - sum*sum) / below)
		}
}

// monteCarlo says how far off pi is that six bytes a point come to.
func monteCarlo() (func([]byte), func() yara.Value) {
	const radius = 256*256*256 - 1
	var point [6]byte
	var have int
	var inside, points float64
	return func(b []byte) {
			for _, c := range b {
				point[have] = c
				if have++; have < len(point) {
					continue
				}
				have = 0
				x := float64(int(point[0])<<16 | int(point[1])<<8 | int(point[2]))
				y := float64(int(point[3])<<16 | int(point[4])<<8 | int(point[5]))
				points++
				if x*x+y*y <= radius*radius {
					inside++
				}
			}
		}, func() yara.Value {
			if points == 0 {
				return yara.Undefined()
			}
			return yara.Number(math.Abs((4*inside/points - math.Pi) / math.Pi))
		}
}

func toString() field.Field[*content] {
	return field.Func(
		call(yara.String, func(_ *content, a []yara.Value) yara.Value { return yara.Text(strconv.FormatInt(a[0].Int(), 10)) }, yara.Int),
		call(yara.String, func(_ *content, a []yara.Value) yara.Value {
			switch base := a[1].Int(); base {
			case 10:
				return yara.Text(strconv.FormatInt(a[0].Int(), 10))
			case 8, 16:
				return yara.Text(strconv.FormatUint(uint64(a[0].Int()), int(base)))
			}
			return yara.Undefined()
		}, yara.Int, yara.Int))
}
