package plan

// An AggDoc describes one aggregate: one row of the table that the checker,
// the help, completion and the docs are made from.
type AggDoc struct {
	Func      AggFunc
	Name      string // as the language spells it
	Signature string
	Doc       string
	Result    string // the type of the result, in words
}

// Aggs lists the aggregates, in the order of the docs.
func Aggs() []AggDoc { return aggs[:] }

// aggs are in the order of their numbers.
var aggs = [...]AggDoc{
	{AggCount, "count", "count(), count(x), count(DISTINCT x)", "how many rows; how many with an x; how many different x", "int"},
	{AggHosts, "hosts", "hosts()", "on how many hosts", "int"},
	{AggMin, "min", "min(x)", "the least", "that of x"},
	{AggMax, "max", "max(x)", "the greatest", "that of x"},
	{AggSum, "sum", "sum(x)", "the sum of numbers, sizes or durations", "that of x"},
	{AggAvg, "avg", "avg(x)", "their mean", "float; of durations, duration"},
	{AggAny, "any", "any(x)", "one of them, no matter which; those of a query are all of the same row, one with the fewest NULLs", "that of x"},
	{AggList, "list", "list(x, n)", "the first n of them in their order, n from 1 to 1000", "list"},
}

// String gives the function's name in the language.
func (f AggFunc) String() string {
	if f >= AggCount && int(f) <= len(aggs) {
		return aggs[f-AggCount].Name
	}
	return "?"
}

// AggByName finds an aggregate by its name in the language.
func AggByName(name string) (AggFunc, bool) {
	for _, a := range aggs {
		if a.Name == name {
			return a.Func, true
		}
	}
	return 0, false
}
