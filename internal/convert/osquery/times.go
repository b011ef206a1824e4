package osquery

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// timeArithmetic keeps times and durations apart: a time and a number of
// seconds are a time, two times are a duration.
func (s *scope) timeArithmetic(e *sql.Binary, x, y term) term {
	xn, xIs := floatOf(x)
	yn, yIs := floatOf(y)
	switch {
	case e.Op == "-" && x.kind == seconds && y.kind == seconds && x.unit == y.unit:
		return term{text: x.in(precSum) + " - " + y.in(precProduct), prec: precSum, kind: duration, unit: x.unit, empty: empties(x, y)}
	case (e.Op == "+" || e.Op == "-") && x.kind == seconds && yIs:
		if x.unit > 0 {
			yn *= x.unit
		}
		return shifted(x, e.Op, yn)
	case e.Op == "+" && y.kind == seconds && xIs:
		return shifted(y, "+", xn)
	case (e.Op == "+" || e.Op == "-") && x.kind == seconds && y.kind == duration && y.unit == 0:
		return term{text: x.in(precSum) + " " + e.Op + " " + y.in(precProduct), prec: precSum, kind: seconds}
	case (e.Op == "+" || e.Op == "-") && x.kind == duration && yIs && x.unit == 0:
		return term{text: x.in(precSum) + " " + e.Op + " " + spanOf(yn), prec: precSum, kind: duration}
	case (e.Op == "+" || e.Op == "-") && x.kind == duration && y.kind == duration && x.unit == y.unit:
		return term{text: x.in(precSum) + " " + e.Op + " " + y.in(precProduct), prec: precSum, kind: duration, unit: x.unit}
	case x.kind == duration && yIs && yn > 0 && (e.Op == "/" || e.Op == "*"):
		if e.Op == "*" {
			yn = 1 / yn
		} else if !x.whole && !strings.Contains(y.text, ".") && x.unit == 0 {
			x.whole = true
		}
		if x.unit > 0 {
			yn *= x.unit
		}
		if strings.Contains(y.text, ".") {
			x.whole = false
		}
		x.unit = math.Round(yn*1e6) / 1e6
		x.shown = x.in(precProduct) + " / " + spanOf(x.unit)
		return x
	case x.kind == duration && y.kind == number && x.unit == 0:
		return term{text: "(" + x.text + ") " + e.Op + " " + y.in(precAtom), prec: precProduct, kind: duration}
	}
	s.c.refuse(e.Place(), "this arithmetic of times is not carried over")
	return term{}
}

// empties keeps that a difference is large where its subtrahend is the 0 that
// osquery has in the place of no time.
func empties(x, y term) []string {
	if len(x.empty) > 0 {
		return []string{"-1000000000"}
	}
	if len(y.empty) > 0 {
		return []string{"1000000000"}
	}
	return nil
}

func shifted(t term, op string, sec float64) term {
	if sec < 0 {
		op, sec = map[string]string{"+": "-", "-": "+"}[op], -sec
	}
	if sec == 0 {
		return t
	}
	return term{text: t.in(precSum) + " " + op + " " + spanOf(sec), prec: precSum, kind: seconds, empty: t.empty, col: nil, outer: t.outer, unit: t.unit}
}

// compareTimes compares two times or durations.
func (s *scope) compareTimes(op string, x, y term) (cond, bool) {
	if x.kind != seconds && x.kind != duration || x.kind != y.kind || x.unit != y.unit {
		return cond{}, false
	}
	if (op == "=" || op == "!=") && x.kind == seconds {
		return s.nullable(x, compared("truncate("+x.text+", 1s) "+op+" truncate("+y.text+", 1s)"), func(string) bool { return op == "!=" }), true
	}
	if len(x.empty) == 0 && len(y.empty) > 0 {
		x, y, op = y, x, turned[op]
	}
	// What has no time is 0 in osquery, which is before all others.
	return s.nullable(x, compared(x.in(precSum)+" "+op+" "+y.in(precSum)), func(string) bool { return op == "<" || op == "<=" }), true
}

// timeCond compares a time, which has parts of a second here, with a whole
// second.
func timeCond(op string, x term, n int64) cond {
	switch op {
	case ">":
		return compared(x.in(precSum) + " >= " + instant(n+1))
	case "<=":
		return compared(x.in(precSum) + " < " + instant(n+1))
	case ">=", "<":
		return compared(x.in(precSum) + " " + op + " " + instant(n))
	}
	return compared("truncate(" + x.text + ", 1s) " + op + " " + instant(n))
}

// durationCond compares a duration, perhaps one that was divided.
func durationCond(op string, x term, f float64) cond {
	unit := x.unit
	if unit == 0 {
		unit = 1
	}
	if !x.whole || unit == 1 {
		return compared(x.in(precSum) + " " + op + " " + spanOf(f*unit))
	}
	return bounds(op, x.in(precSum), spanOf(f*unit), spanOf((f+1)*unit))
}

// moment reads the arguments of a function of times: what time, and its
// modifiers.
func (s *scope) moment(at int, args []sql.Expr) term {
	if len(args) == 0 {
		return atom("now", seconds)
	}
	t := s.term(args[0])
	var mods []string
	for _, a := range args[1:] {
		m := s.term(a)
		if m.lit == nil {
			s.c.refuse(at, "a modifier of a time that is no constant is not carried over")
		}
		mods = append(mods, strings.ToLower(strings.TrimSpace(m.lit.Text)))
	}
	switch {
	case t.lit != nil && strings.EqualFold(t.lit.Text, "now"):
		t = atom("now", seconds)
	case t.lit != nil:
		t = s.written(at, t, mods)
	case t.kind == number:
		s.c.refuse(at, "this number is no time here")
	case t.kind != seconds:
		s.c.refuse(at, "a text that holds a time is not read as one")
	}
	for _, m := range mods {
		t = s.modified(at, t, m)
	}
	return t
}

// written reads a time that is written out.
func (s *scope) written(at int, t term, mods []string) term {
	if f, ok := floatOf(t); ok && len(mods) > 0 && (mods[0] == "unixepoch" || mods[0] == "auto") {
		return atom(instant(int64(f)), seconds)
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z", "2006-01-02 15:04", "2006-01-02"} {
		if v, err := time.Parse(layout, t.lit.Text); err == nil {
			return atom(instant(v.Unix()), seconds)
		}
	}
	s.c.refuse(at, "%q is no time", t.lit.Text)
	return t
}

var step = regexp.MustCompile(`^([-+]?)(\d+(?:\.\d+)?)\s*(second|minute|hour|day|month|year)s?$`)

func (s *scope) modified(at int, t term, mod string) term {
	switch mod {
	case "unixepoch", "auto", "utc", "subsec", "subsecond", "":
		return t
	case "localtime":
		s.c.lose(at, "times are shown in UTC and compared as moments: localtime is left out")
		return t
	case "start of day":
		return term{text: "truncate(" + t.text + ", 1d)", prec: precAtom, kind: seconds, empty: t.empty, outer: t.outer}
	}
	m := step.FindStringSubmatch(mod)
	if m == nil || m[3] == "month" || m[3] == "year" {
		if m != nil {
			s.c.lose(at, "months are taken for 30 days and years for 365")
		} else {
			s.c.refuse(at, "the modifier %q of a time is not carried over", mod)
		}
	}
	n, _ := strconv.ParseFloat(m[2], 64)
	n *= map[string]float64{"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 30 * 86400, "year": 365 * 86400}[m[3]]
	if m[1] == "-" {
		n = -n
	}
	return shifted(t, "+", n)
}

// timeCall translates the functions of times.
func (s *scope) timeCall(e *sql.Call) (term, bool) {
	switch e.Name {
	case "datetime", "unixepoch", "current_timestamp":
		return s.moment(e.Place(), e.Args), true
	case "date", "current_date":
		t := s.moment(e.Place(), e.Args)
		return term{text: "truncate(" + t.text + ", 1d)", prec: precAtom, kind: seconds, shown: "format_time(" + t.text + `, "%Y-%m-%d")`, empty: t.empty, outer: t.outer}, true
	case "time", "current_time":
		t := s.moment(e.Place(), e.Args)
		return atom("format_time("+t.text+`, "%H:%M:%S")`, text), true
	case "julianday":
		t := s.moment(e.Place(), e.Args)
		t.unit = 86400
		return t, true
	case "strftime":
		return s.strftime(e), true
	}
	return term{}, false
}

var knownLetters = regexp.MustCompile(`^(?:[^%]|%[YmdHMSjs%])*$`)

func (s *scope) strftime(e *sql.Call) term {
	if len(e.Args) == 0 {
		s.c.refuse(e.Place(), "strftime needs a format")
	}
	f := s.term(e.Args[0])
	if f.lit == nil {
		s.c.refuse(e.Place(), "a format of times that is no constant is not carried over")
	}
	t := s.moment(e.Place(), e.Args[1:])
	switch layout := f.lit.Text; {
	case layout == "%s", layout == "%Y-%m-%d %H:%M:%S", layout == "%Y-%m-%dT%H:%M:%SZ", layout == "%Y-%m-%d %H:%M:%f":
		return t
	case layout == "%Y-%m-%d":
		return term{text: "truncate(" + t.text + ", 1d)", prec: precAtom, kind: seconds, shown: "format_time(" + t.text + `, "%Y-%m-%d")`, empty: t.empty, outer: t.outer}
	case knownLetters.MatchString(layout):
		return atom("format_time("+t.text+", "+convert.Quote(layout)+")", text)
	default:
		s.c.refuse(e.Place(), "the format %q of times has letters that format_time has not", layout)
	}
	return term{}
}
