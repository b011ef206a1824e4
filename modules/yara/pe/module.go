package pe

import (
	"errors"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// errMemory says why a rule over the memory of a process is undecided.
var errMemory = errors.New("pe reads files, and not the memory of processes")

// Module is what `import "pe"` brings.
func Module() *yara.Module {
	t := fileTable()
	return &yara.Module{Name: "pe", Fields: t.Fields(), Load: func(d *yara.Data) (yara.Value, error) {
		if d.Process() {
			return yara.Undefined(), errMemory
		}
		v := view.New(d)
		f, ok := Parse(v)
		if err := v.Err(); err != nil {
			return yara.Undefined(), err
		}
		if !ok {
			return t.Object(nil), nil
		}
		return t.Object(f), nil
	}}
}

// Err is the first failure to read the file.
func (f *File) Err() error {
	if f == nil {
		return nil
	}
	return f.data.Err()
}

type fields = field.Table[*File]

// number is a number that every program has and nothing else.
func number(get func(*File) int64) field.Field[*File] {
	return perhaps(func(f *File) (int64, bool) { return get(f), true })
}

func perhaps(get func(*File) (int64, bool)) field.Field[*File] {
	return field.Perhaps(func(f *File) (int64, bool) {
		if f == nil {
			return 0, false
		}
		return get(f)
	})
}

func text(get func(*File) (string, bool)) field.Field[*File] {
	return field.Text(func(f *File) (string, bool) {
		if f == nil {
			return "", false
		}
		return get(f)
	})
}

func list[E any](of field.Table[E], get func(*File) []E) field.Field[*File] {
	return field.List(of, func(f *File) []E {
		if f == nil {
			return nil
		}
		return get(f)
	})
}

func structure[E any](of field.Table[E], get func(*File) (E, bool)) field.Field[*File] {
	return field.Struct(of, func(f *File) (e E, ok bool) {
		if f == nil {
			return e, false
		}
		return get(f)
	})
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// fileTable is the module. A file that is no program is nil in it: is_pe is 0
// and the rest undefined.
func fileTable() fields {
	t := fields{
		"is_pe":                field.Int(func(f *File) int64 { return truth(f != nil) }),
		"entry_point":          number((*File).EntryPoint),
		"number_of_signatures": number(func(f *File) int64 { return int64(len(f.Signatures())) }),
		"signatures":           list(signatureTable(), (*File).Signatures),
		"pdb_path":             text((*File).DebugPath),
		"data_directories":     list(directoryTable(), (*File).Directories),
		"sections":             list(sectionTable(), (*File).Sections),
		"overlay": structure(field.Table[Range]{
			"offset": field.Int(func(r Range) int64 { return r.At }),
			"size":   field.Int(func(r Range) int64 { return r.Size }),
		}, func(f *File) (Range, bool) { return f.Overlay(), true }),
		"rich_signature": richField(),
	}
	addNumbers(t)
	addConstants(t)
	addImports(t)
	addExports(t)
	addResources(t)
	addFunctions(t)
	return t
}

// addNumbers adds the numbers of the headers; those with a dot in their names
// stand in structures.
func addNumbers(t fields) {
	versions := map[string]fields{}
	for _, n := range Fields() {
		get := perhaps(func(f *File) (int64, bool) { return f.Number(n) })
		outer, inner, nested := strings.Cut(n.Name, ".")
		if !nested {
			t[n.Name] = get
			continue
		}
		if versions[outer] == nil {
			versions[outer] = fields{}
		}
		versions[outer][inner] = get
	}
	for name, of := range versions {
		t[name] = field.Struct(of, func(f *File) (*File, bool) { return f, true })
	}
}

func sectionTable() field.Table[Section] {
	t := field.Table[Section]{
		"name":      field.Text(func(s Section) (string, bool) { return s.Name, true }),
		"full_name": field.Text(func(s Section) (string, bool) { return s.FullName, s.Readable }),
	}
	for i, name := range SectionFields() {
		t[name] = field.Int(func(s Section) int64 { return s.Numbers[i] })
	}
	return t
}

func directoryTable() field.Table[Range] {
	return field.Table[Range]{
		"virtual_address": field.Int(func(r Range) int64 { return r.At }),
		"size":            field.Int(func(r Range) int64 { return r.Size }),
	}
}

func signatureTable() field.Table[Signature] {
	word := func(get func(Signature) string) field.Field[Signature] {
		return field.Text(func(s Signature) (string, bool) { return get(s), true })
	}
	return field.Table[Signature]{
		"thumbprint":    word(func(s Signature) string { return s.Thumbprint }),
		"issuer":        word(func(s Signature) string { return s.Issuer }),
		"subject":       word(func(s Signature) string { return s.Subject }),
		"algorithm":     word(func(s Signature) string { return s.Algorithm }),
		"algorithm_oid": word(func(s Signature) string { return s.AlgorithmOID }),
		"serial":        word(func(s Signature) string { return s.Serial }),
		"version":       field.Int(func(s Signature) int64 { return s.Version }),
		"not_before":    field.Int(func(s Signature) int64 { return s.NotBefore }),
		"not_after":     field.Int(func(s Signature) int64 { return s.NotAfter }),
		"valid_on": field.Func(field.Call[Signature]{Args: field.Args(yara.Int), Result: yara.Int, Do: func(s Signature, args []yara.Value) yara.Value {
			at := args[0].Int()
			return yara.Integer(truth(at >= s.NotBefore && at <= s.NotAfter))
		}}),
	}
}

func richField() field.Field[*File] {
	count := func(get func(r *Rich, a, b int64) int64) field.Field[*Rich] {
		return field.Func(
			field.Call[*Rich]{Args: field.Args(yara.Int), Result: yara.Int, Do: func(r *Rich, a []yara.Value) yara.Value { return yara.Integer(get(r, a[0].Int(), -1)) }},
			field.Call[*Rich]{Args: field.Args(yara.Int, yara.Int), Result: yara.Int, Do: func(r *Rich, a []yara.Value) yara.Value { return yara.Integer(get(r, a[0].Int(), a[1].Int())) }},
		)
	}
	return structure(field.Table[*Rich]{
		"offset":       field.Int(func(r *Rich) int64 { return r.At }),
		"length":       field.Int(func(r *Rich) int64 { return int64(len(r.Raw)) }),
		"key":          field.Int(func(r *Rich) int64 { return r.Key }),
		"raw_data":     field.Text(func(r *Rich) (string, bool) { return r.Raw, true }),
		"clear_data":   field.Text(func(r *Rich) (string, bool) { return r.Clear, true }),
		"version_data": field.Text(func(r *Rich) (string, bool) { return r.Versions, true }),
		"version":      count(func(r *Rich, version, tool int64) int64 { return r.Count(version, tool) }),
		"toolid":       count(func(r *Rich, tool, version int64) int64 { return r.Count(version, tool) }),
	}, func(f *File) (*Rich, bool) { r := f.Rich(); return r, r != nil })
}

func addResources(t fields) {
	t["number_of_resources"] = number(func(f *File) int64 { return int64(len(resources(f).List)) })
	t["resources"] = list(resourceTable(), func(f *File) []Resource { return resources(f).List })
	t["resource_timestamp"] = perhaps(func(f *File) (int64, bool) { return resources(f).Timestamp, f.Resources() != nil })
	t["resource_version"] = field.Struct(field.Table[*Resources]{
		"major": field.Int(func(r *Resources) int64 { return r.Major }),
		"minor": field.Int(func(r *Resources) int64 { return r.Minor }),
	}, func(f *File) (*Resources, bool) {
		if f == nil || f.Resources() == nil {
			return nil, false
		}
		return f.Resources(), true
	})
	t["number_of_version_infos"] = number(func(f *File) int64 { return int64(len(resources(f).Version)) })
	t["version_info_list"] = list(field.Table[Pair]{
		"key":   field.Text(func(p Pair) (string, bool) { return p.Key, true }),
		"value": field.Text(func(p Pair) (string, bool) { return p.Value, true }),
	}, func(f *File) []Pair { return resources(f).Version })
	t["version_info"] = field.Field[*File]{Type: yara.DictOf(yara.Type{Kind: yara.String}), Get: func(f *File) yara.Value {
		d := yara.Dictionary{At: func(string) (yara.Value, error) { return yara.Undefined(), nil }}
		if f == nil {
			return d.Value()
		}
		said := map[string]string{}
		for _, p := range resources(f).Version {
			if _, ok := said[p.Key]; !ok {
				d.Keys = append(d.Keys, p.Key)
			}
			said[p.Key] = p.Value
		}
		d.At = func(key string) (yara.Value, error) { return yara.Text(said[key]), nil }
		return d.Value()
	}}
}

// resources gives a program's resources, or none.
func resources(f *File) *Resources {
	if f == nil || f.Resources() == nil {
		return &Resources{}
	}
	return f.Resources()
}

func resourceTable() field.Table[Resource] {
	t := field.Table[Resource]{
		"rva":    field.Int(func(r Resource) int64 { return r.Address }),
		"length": field.Int(func(r Resource) int64 { return r.Length }),
		"offset": field.Perhaps(func(r Resource) (int64, bool) { return r.Offset, r.Offset >= 0 }),
	}
	label := func(number, text string, get func(Resource) Label) {
		t[number] = field.Perhaps(func(r Resource) (int64, bool) { return get(r).Number, !get(r).IsText })
		t[text] = field.Text(func(r Resource) (string, bool) { return get(r).Text, get(r).IsText })
	}
	label("type", "type_string", func(r Resource) Label { return r.Type })
	label("id", "name_string", func(r Resource) Label { return r.Name })
	label("language", "language_string", func(r Resource) Label { return r.Language })
	return t
}
