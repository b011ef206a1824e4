package value

// Truth is three-valued: what is asked of a Null is neither true nor false. The zero Truth is Unknown.
type Truth int8

// The truths.
const (
	// Unknown is the answer where a Null takes part, or where two values cannot be compared.
	Unknown Truth = iota
	// False is no.
	False
	// True is yes.
	True
)

// TruthOf gives True or False if ok, else Unknown: the shape in which Equal answers.
func TruthOf(yes, ok bool) Truth {
	switch {
	case !ok:
		return Unknown
	case yes:
		return True
	}
	return False
}

// FromValue gives the truth of a bool; every other value is Unknown.
func FromValue(v Value) Truth { return TruthOf(v.Bool(), v.typ == Bool) }

// Value gives the truth as a bool, Unknown as Null.
func (t Truth) Value() Value {
	if t == Unknown {
		return Value{}
	}
	return NewBool(t == True)
}

// And is False if either is, else Unknown if either is, else True.
func (t Truth) And(u Truth) Truth {
	switch {
	case t == False || u == False:
		return False
	case t == True && u == True:
		return True
	}
	return Unknown
}

// Or is True if either is, else Unknown if either is, else False.
func (t Truth) Or(u Truth) Truth { return t.Not().And(u.Not()).Not() }

// Not swaps True and False; Unknown stays.
func (t Truth) Not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return Unknown
}

// String gives "true", "false" or "unknown".
func (t Truth) String() string {
	switch t {
	case True:
		return "true"
	case False:
		return "false"
	}
	return "unknown"
}
