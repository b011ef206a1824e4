package pe

import (
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
)

// What imports() looks through, as bits of its first argument.
const (
	importStandard = 1
	importDelayed  = 2
	importAny      = -1
)

func call(result yara.Kind, do func(*File, []yara.Value) yara.Value, args ...yara.Kind) field.Call[*File] {
	return field.Call[*File]{Args: args, Result: result, Do: func(f *File, args []yara.Value) yara.Value {
		if f == nil {
			return yara.Undefined()
		}
		return do(f, args)
	}}
}

func index(i int) yara.Value {
	if i < 0 {
		return yara.Undefined()
	}
	return yara.Integer(int64(i))
}

func addFunctions(t fields) {
	fact := func(get func(*File) bool) field.Field[*File] {
		return field.Func(call(yara.Int, func(f *File, _ []yara.Value) yara.Value { return yara.Integer(truth(get(f))) }))
	}
	const dll = 0x2000
	t["is_dll"] = fact(func(f *File) bool { return f.Characteristics()&dll != 0 })
	t["is_32bit"] = fact(func(f *File) bool { return !f.Wide() })
	t["is_64bit"] = fact((*File).Wide)
	t["calculate_checksum"] = field.Func(call(yara.Int, func(f *File, _ []yara.Value) yara.Value { return yara.Integer(f.Checksum()) }))
	t["rva_to_offset"] = field.Func(call(yara.Int, func(f *File, a []yara.Value) yara.Value {
		if at := f.Offset(uint64(a[0].Int())); at >= 0 {
			return yara.Integer(at)
		}
		return yara.Undefined()
	}, yara.Int))
	t["section_index"] = field.Func(
		call(yara.Int, func(f *File, a []yara.Value) yara.Value { return index(f.SectionNamed(a[0].Text())) }, yara.String),
		call(yara.Int, func(f *File, a []yara.Value) yara.Value { return index(f.SectionAt(a[0].Int())) }, yara.Int),
	)
	language := func(mask int64) field.Field[*File] {
		return field.Func(call(yara.Int, func(f *File, a []yara.Value) yara.Value {
			for _, r := range resources(f).List {
				if !r.Language.IsText && r.Language.Number&mask == a[0].Int() {
					return yara.Integer(1)
				}
			}
			return yara.Integer(0)
		}, yara.Int))
	}
	t["language"], t["locale"] = language(0xff), language(0xffff)
}

func libraryTable() field.Table[Library] {
	return field.Table[Library]{
		"library_name":        field.Text(func(l Library) (string, bool) { return l.Name, true }),
		"number_of_functions": field.Int(func(l Library) int64 { return int64(len(l.Functions)) }),
		"functions": field.List(field.Table[Import]{
			"name":    field.Text(func(i Import) (string, bool) { return i.Name, true }),
			"ordinal": field.Perhaps(func(i Import) (int64, bool) { return i.Ordinal, i.ByOrdinal }),
			"rva":     field.Perhaps(func(i Import) (int64, bool) { return i.Address, i.Address != 0 }),
		}, func(l Library) []Import { return l.Functions }),
	}
}

func addImports(t fields) {
	t["import_details"] = list(libraryTable(), (*File).Imports)
	t["delayed_import_details"] = list(libraryTable(), (*File).DelayedImports)
	t["delay_import_details"] = t["delayed_import_details"] // as its documentation calls it
	t["number_of_imports"] = number(func(f *File) int64 { return int64(len(f.Imports())) })
	t["number_of_imported_functions"] = number(func(f *File) int64 { return Functions(f.Imports()) })
	t["number_of_delayed_imports"] = number(func(f *File) int64 { return int64(len(f.DelayedImports())) })
	t["number_of_delayed_imported_functions"] = number(func(f *File) int64 { return Functions(f.DelayedImports()) })
	t["imphash"] = field.Func(call(yara.String, func(f *File, _ []yara.Value) yara.Value { return yara.Text(f.ImportHash()) }))
	t["imports"] = importsFunction()
}

// importsFunction is imports(), which is called in eight ways: with a first
// argument that says which imports are meant, or without.
func importsFunction() field.Field[*File] {
	same := func(v yara.Value, text string) bool { return strings.EqualFold(v.Text(), text) }
	ways := []struct {
		args  []yara.Kind
		match func(a []yara.Value, library string, i Import) bool
	}{
		{field.Args(yara.String), func(a []yara.Value, library string, _ Import) bool { return same(a[0], library) }},
		{field.Args(yara.String, yara.String), func(a []yara.Value, library string, i Import) bool {
			return same(a[0], library) && same(a[1], i.Name)
		}},
		{field.Args(yara.String, yara.Int), func(a []yara.Value, library string, i Import) bool {
			return same(a[0], library) && i.ByOrdinal && i.Ordinal == a[1].Int()
		}},
		{field.Args(yara.Regex, yara.Regex), func(a []yara.Value, library string, i Import) bool {
			return a[0].Matches(library) && a[1].Matches(i.Name)
		}},
	}
	var calls []field.Call[*File]
	for _, w := range ways {
		one := len(w.args) == 2 && w.args[0] == yara.String // there is one such function, or none
		count := func(f *File, which int64, a []yara.Value) yara.Value {
			n := countImports(f, which, func(library string, i Import) bool { return w.match(a, library, i) })
			if one {
				n = min(n, 1)
			}
			return yara.Integer(n)
		}
		calls = append(calls,
			call(yara.Int, func(f *File, a []yara.Value) yara.Value { return count(f, importStandard, a) }, w.args...),
			call(yara.Int, func(f *File, a []yara.Value) yara.Value { return count(f, a[0].Int(), a[1:]) }, append(field.Args(yara.Int), w.args...)...))
	}
	return field.Func(calls...)
}

func countImports(f *File, which int64, match func(string, Import) bool) (n int64) {
	count := func(libraries []Library) {
		for _, l := range libraries {
			for _, i := range l.Functions {
				if match(l.Name, i) {
					n++
				}
			}
		}
	}
	if which&importStandard != 0 {
		count(f.Imports())
	}
	if which&importDelayed != 0 {
		count(f.DelayedImports())
	}
	return n
}

func addExports(t fields) {
	functions := func(f *File) []Export {
		if e := f.Exports(); e != nil {
			return e.Functions
		}
		return nil
	}
	t["number_of_exports"] = number(func(f *File) int64 { return int64(len(functions(f))) })
	t["export_timestamp"] = perhaps(func(f *File) (int64, bool) {
		if e := f.Exports(); e != nil {
			return e.Timestamp, true
		}
		return 0, false
	})
	t["dll_name"] = text(func(f *File) (string, bool) {
		if e := f.Exports(); e != nil {
			return e.Name, e.Named
		}
		return "", false
	})
	t["export_details"] = list(field.Table[Export]{
		"ordinal":      field.Int(func(e Export) int64 { return e.Ordinal }),
		"rva":          field.Int(func(e Export) int64 { return e.Address }),
		"offset":       field.Perhaps(func(e Export) (int64, bool) { return e.Offset, e.Offset >= 0 }),
		"name":         field.Text(func(e Export) (string, bool) { return e.Name, e.Named }),
		"forward_name": field.Text(func(e Export) (string, bool) { return e.Forward, e.Forwarded }),
	}, functions)
	ways := []struct {
		arg   yara.Kind
		match func(yara.Value, Export) bool
	}{
		{yara.String, func(v yara.Value, e Export) bool { return e.Named && strings.EqualFold(v.Text(), e.Name) }},
		{yara.Int, func(v yara.Value, e Export) bool { return e.Ordinal == v.Int() }},
		{yara.Regex, func(v yara.Value, e Export) bool { return e.Named && v.Matches(e.Name) }},
	}
	var has, where []field.Call[*File]
	for _, w := range ways {
		find := func(f *File, v yara.Value) int {
			for i, e := range functions(f) {
				if w.match(v, e) {
					return i
				}
			}
			return -1
		}
		has = append(has, call(yara.Int, func(f *File, a []yara.Value) yara.Value { return yara.Integer(truth(find(f, a[0]) >= 0)) }, w.arg))
		where = append(where, call(yara.Int, func(f *File, a []yara.Value) yara.Value { return index(find(f, a[0])) }, w.arg))
	}
	t["exports"], t["exports_index"] = field.Func(has...), field.Func(where...)
}
