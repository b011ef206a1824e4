package yara

// A Module is what `import "name"` brings into a text of rules: fields and
// functions that are typed when the rules are compiled and computed when a
// condition asks for them.
//
// Fields says what there is. Load is called at most once for a content, when
// a condition first asks the module, and gives an [Object] with a field for
// each of Fields. What does not apply to a content, as pe.sections to a text,
// is [Undefined]. An error of Load, of an Object, a List, a Dictionary or a
// Function says that the content could not be looked at, or only at a cost
// beyond a bound: the rules that asked are then undecided, and Error() of it
// is the reason that is shown. A content that is merely broken is no error.
//
// A Module is read-only and serves many goroutines; what Load gives belongs
// to one goroutine and one content.
type Module struct {
	Name   string
	Fields map[string]Type
	Load   func(d *Data) (Value, error)
}

// A Kind is the type of a value, without its parts.
type Kind uint8

// The kinds.
const (
	None   Kind = iota // the kind of Undefined
	Bool               // in a condition true, false
	Int                // int64
	Float              // float64
	String             // bytes
	Regex              // an expression, as an argument of a function alone
	Struct             // fields, each of its own type
	Array              // values of one type, from 0
	Dict               // values of one type by text
	Func               // a function
)

// String gives the word that messages use.
func (k Kind) String() string {
	return [...]string{"undefined", "boolean", "integer", "float", "string", "regular expression", "structure", "array", "dictionary", "function"}[min(k, Func)]
}

// A Type says what a rule may do with a field.
type Type struct {
	Kind   Kind
	Fields map[string]Type // of a Struct
	Elem   *Type           // of an Array or a Dict
	Calls  []Signature     // of a Func: the ways to call it
	Const  Value           // of an Int, Float or String that is the same for every content: rules take it from here
}

// A Signature is one way to call a function. Integers are not converted to
// floats: where both will do there are two signatures. A Func whose Calls
// differ in their results' kinds is fine; the one that fits the arguments is
// chosen when the rules are compiled.
type Signature struct {
	Args   []Kind // Bool, Int, Float, String or Regex
	Result Type
}

// Const gives the type of a constant, for tables of fields.
func Const(v Value) Type { return Type{Kind: v.Kind(), Const: v} }

// ArrayOf gives the type of an array.
func ArrayOf(elem Type) Type { return Type{Kind: Array, Elem: &elem} }

// DictOf gives the type of a dictionary.
func DictOf(elem Type) Type { return Type{Kind: Dict, Elem: &elem} }

// StructOf gives the type of a structure.
func StructOf(fields map[string]Type) Type { return Type{Kind: Struct, Fields: fields} }

// FuncOf gives the type of a function that is called in one way.
func FuncOf(result Kind, args ...Kind) Type {
	return Type{Kind: Func, Calls: []Signature{{Args: args, Result: Type{Kind: result}}}}
}
