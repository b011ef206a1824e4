package yara

// Limits bound a scan. The zero of a field is its default.
type Limits struct {
	// Shown is how many places of a string a Result lists: 100.
	Shown int
	// Data is how many bytes of each place are copied into it: 64; negative
	// for none.
	Data int
	// Matches is how many places of a string are remembered for conditions
	// that count them or ask where they are: 100,000. A string with more
	// makes such a rule undecided.
	Matches int
	// Steps bounds what conditions and expressions may cost for a content,
	// beside the search itself, in units of about 10 ns: 200 million. Beyond
	// it what was not decided is undecided.
	Steps int64
}

// A Result is what is known of one content. It is valid until the scanner
// begins another.
type Result struct {
	// Matches are the rules that hold, in the order of the text, without
	// private ones.
	Matches []Match
	// Undecided are the rules of which nobody can say whether they hold.
	// Private ones are here, too.
	Undecided []Undecided
}

// A Match is a rule that holds.
type Match struct {
	Rule    *Rule
	Strings []Place // by the order of the rule's strings, then by offset; none of private strings
	// More says that there are more places than Limits let be listed.
	More bool
}

// A Place is where a string of a rule stands.
type Place struct {
	Name   string // with its $; "$" for one without a name
	Offset int64  // from the beginning of the content; of the memory of a process the address
	Length int    // in bytes
	Data   []byte // the bytes, or the first of them; nil where they have gone by
}

// Undecided says of a rule why nobody can say whether it holds.
type Undecided struct {
	Rule   *Rule
	Reason string // lower case, no full stop
}
