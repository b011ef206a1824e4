package plan

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

func formatTime(a []value.Value) value.Value {
	t := a[0].Time().UTC()
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'j': "002", 'a': "Mon", 'b': "Jan"}
	var b strings.Builder
	layout := a[1].Text()
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' || i+1 == len(layout) {
			b.WriteByte(layout[i])
			continue
		}
		i++
		switch l, ok := layouts[layout[i]]; {
		case ok:
			b.WriteString(t.Format(l))
		case layout[i] == 's':
			fmt.Fprintf(&b, "%d", t.Unix())
		default:
			b.WriteByte(layout[i])
		}
	}
	return value.NewText(b.String())
}

func truncate(a []value.Value) value.Value {
	d := int64(a[1].Duration())
	if d <= 0 {
		return value.Value{}
	}
	t := a[0].Time()
	// What is above a multiple, in 128 bits: nanoseconds since 1970 overflow
	// in the year 2262.
	hi, lo := bits.Mul64(uint64((t.Unix()%d+d)%d), uint64(time.Second))
	rest := (bits.Rem64(hi, lo, uint64(d)) + uint64(t.Nanosecond())) % uint64(d)
	return value.NewTime(t.Add(-time.Duration(rest)))
}
