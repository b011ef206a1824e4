package plan

import "reflect"

// Same says whether two expressions are the same but for the names that they
// are shown by. Who made a plan and who decoded it find the same ones: what an
// expression was prepared with does not count.
func Same(a, b Expr) bool { return Key(a) == Key(b) }

// Key gives a text that two expressions have in common where they are the same,
// so that one can be looked up among many. It is for memory and may change.
func Key(e Expr) string {
	return string(encoder{version: versions, unnamed: true}.encode(nil, reflect.ValueOf(&e).Elem()))
}
