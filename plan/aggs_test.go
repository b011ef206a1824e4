package plan

import "testing"

// The table is in the order of the numbers, which travel.
func TestAggsAreInOrder(t *testing.T) {
	for i, a := range Aggs() {
		if f, ok := AggByName(a.Name); !ok || f != a.Func || f != AggFunc(i+1) || f.String() != a.Name {
			t.Errorf("%s is the aggregate %d at place %d", a.Name, a.Func, i+1)
		}
	}
}
