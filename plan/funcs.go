package plan

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// A Func is one function or arithmetic operator: one row of the table that
// the checker, the evaluator, the help and the docs are made from.
type Func struct {
	Name      string
	Signature string
	Doc       string
	Example   string // an expression …
	Result    string // … and its value as a literal
	Min, Max  int    // number of arguments; Max -1: any number
	Nulls     bool   // it is called with nulls; others are null where an argument is
	// Type gives the type of the result, or says which argument does not fit.
	Type func(args []value.Type) (value.Type, error)
	// Eval computes it. What has no value (a division by zero, a place that
	// is not there) is null.
	Eval func(args []value.Value) value.Value
}

// FuncByName finds a function or an operator.
func FuncByName(name string) (*Func, bool) {
	for i := range funcs {
		if funcs[i].Name == name {
			return &funcs[i], true
		}
	}
	return nil, false
}

// Funcs lists the functions, operators left out, in the order of the docs.
func Funcs() []Func {
	var out []Func
	for _, f := range funcs {
		if f.Signature != "" {
			out = append(out, f)
		}
	}
	return out
}

var funcs = [...]Func{
	{Name: "lower", Signature: "lower(text)", Doc: "the text in lower case", Example: `lower("ABC")`, Result: `"abc"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(strings.ToLower)},
	{Name: "upper", Signature: "upper(text)", Doc: "the text in upper case", Example: `upper("abc")`, Result: `"ABC"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(strings.ToUpper)},
	{Name: "trim", Signature: "trim(text)", Doc: "the text without blanks at its ends", Example: `trim("  a ")`, Result: `"a"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(strings.TrimSpace)},
	{Name: "concat", Signature: "concat(x, …)", Doc: "the values as text, one after the other; null counts as nothing", Example: `concat("a", 1)`, Result: `"a1"`, Min: 1, Max: -1, Nulls: true, Type: gives(value.Text), Eval: concat},
	{Name: "split", Signature: "split(text, separator)", Doc: "the parts of the text between separators, as a list", Example: `split("a:b", ":")`, Result: `["a", "b"]`, Min: 2, Max: 2, Type: takes(value.List, value.Text, value.Text), Eval: split},
	{Name: "join", Signature: "join(list, separator)", Doc: "the members of the list as one text, with the separator between them; null for an empty list", Example: `join(split("a:b", ":"), ", ")`, Result: `"a, b"`, Min: 2, Max: 2, Type: joinType, Eval: join},
	{Name: "number", Signature: "number(text)", Doc: "the number that the text is, without blanks around it; null where it is none", Example: `number("42")`, Result: `42.0`, Min: 1, Max: 1, Type: takes(value.Float, value.Text), Eval: numberOf},
	{Name: "substr", Signature: "substr(text, start[, length])", Doc: "the characters from start on, counted from 1; a negative start counts from the end", Example: `substr("quaestor", 1, 4)`, Result: `"quae"`, Min: 2, Max: 3, Type: takes(value.Text, value.Text, value.Int, value.Int), Eval: substr},
	{Name: "replace", Signature: "replace(text, old, new)", Doc: "the text with every old replaced by new", Example: `replace("a.b.c", ".", "/")`, Result: `"a/b/c"`, Min: 3, Max: 3, Type: takes(value.Text, value.Text, value.Text, value.Text), Eval: replace},
	{Name: "len", Signature: "len(x)", Doc: "the number of characters of a text, of bytes, or of members of a list", Example: `len("añb")`, Result: `3`, Min: 1, Max: 1, Type: lenType, Eval: length},
	{Name: "escape_glob", Signature: "escape_glob(text)", Doc: "a glob that matches the text alone, for what comes from a host", Example: `escape_glob("a*")`, Result: `"a[*]"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(value.EscapeGlob)},
	{Name: "basename", Signature: "basename(path)", Doc: "what stands after the last separator", Example: `basename("/etc/passwd")`, Result: `"passwd"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(Basename)},
	{Name: "dirname", Signature: "dirname(path)", Doc: "what stands before the last separator", Example: `dirname("/etc/passwd")`, Result: `"/etc"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(Dirname)},
	{Name: "extension", Signature: "extension(path)", Doc: "what stands after the last dot of the name, without the dot; empty for none", Example: `extension("/srv/a.tar.gz")`, Result: `"gz"`, Min: 1, Max: 1, Type: takes(value.Text, value.Text), Eval: onText(Extension)},
	{Name: "extract", Signature: "extract(text, regex[, group])", Doc: "what the regex, or a group of it, matched first; null where it does not match", Example: `extract("v1.2", 'v(\d+)', 1)`, Result: `"1"`, Min: 2, Max: 3, Type: takes(value.Text, value.Text, value.Text, value.Int), Eval: extract},
	{Name: "base64_decode", Signature: "base64_decode(text)", Doc: "the bytes that the text encodes; null where it is not base64", Example: `base64_decode("TVo=")`, Result: `x"4d5a"`, Min: 1, Max: 1, Type: takes(value.Bytes, value.Text), Eval: base64Decode},
	{Name: "hex", Signature: "hex(x)", Doc: "text, bytes or a whole number in hexadecimal", Example: `hex(255)`, Result: `"ff"`, Min: 1, Max: 1, Type: hexType, Eval: hexOf},
	{Name: "entropy", Signature: "entropy(x)", Doc: "Shannon's entropy of text or bytes in bits a byte, from 0 to 8", Example: `entropy("abab")`, Result: `1.0`, Min: 1, Max: 1, Type: entropyType, Eval: entropyOf},
	{Name: "coalesce", Signature: "coalesce(x, …)", Doc: "the first value that is not null", Example: `coalesce(null, 2)`, Result: `2`, Min: 1, Max: -1, Nulls: true, Type: sameType, Eval: coalesce},
	{Name: "if", Signature: "if(condition, then[, else])", Doc: "then where the condition is true, else where it is false or null", Example: `if(1 < 2, "yes", "no")`, Result: `"yes"`, Min: 2, Max: 3, Nulls: true, Type: ifType, Eval: ifElse},
	{Name: "format_time", Signature: "format_time(time, layout)", Doc: "the time in UTC by the letters of strftime: %Y %m %d %H %M %S %j %a %b %s %%", Example: `format_time(2026-11-23, "%d.%m.%Y")`, Result: `"23.11.2026"`, Min: 2, Max: 2, Type: takes(value.Text, value.Time, value.Text), Eval: formatTime},
	{Name: "truncate", Signature: "truncate(time, duration)", Doc: "the time rounded down to a multiple of the duration since 1970 in UTC", Example: `truncate(2026-11-23T10:44:00Z, 1h)`, Result: `2026-11-23T10:00:00Z`, Min: 2, Max: 2, Type: takes(value.Time, value.Time, value.Duration), Eval: truncate},
	{Name: "abs", Signature: "abs(x)", Doc: "the number or the duration without its sign", Example: `abs(-90s)`, Result: `90s`, Min: 1, Max: 1, Type: negType, Eval: absolute},
	{Name: "bit_and", Signature: "bit_and(x, y)", Doc: "the bits that are set in both whole numbers", Example: `bit_and(13, 8)`, Result: `8`, Min: 2, Max: 2, Type: takes(value.Int, value.Int, value.Int), Eval: bitAnd},
	{Name: "bit_or", Signature: "bit_or(x, y)", Doc: "the bits that are set in one of two whole numbers, or in both", Example: `bit_or(5, 8)`, Result: `13`, Min: 2, Max: 2, Type: takes(value.Int, value.Int, value.Int), Eval: bitOr},
	{Name: "in_cidr", Signature: "in_cidr(address, network)", Doc: "whether the address, or some address of a list, lies in the network", Example: `in_cidr(10.1.2.3, 10.0.0.0/8)`, Result: `true`, Min: 2, Max: 2, Type: inCIDRType, Eval: inCIDR},
	{Name: "is_private", Signature: "is_private(address)", Doc: "whether the address is loopback, link-local, or of a private network (RFC 1918, RFC 4193)", Example: `is_private(192.168.1.1)`, Result: `true`, Min: 1, Max: 1, Type: takes(value.Bool, value.IP), Eval: isPrivate},
	{Name: "contains", Signature: "contains(list, x)", Doc: "whether a member of the list equals x; a text in the query is read as what the list holds", Example: `contains(split("a:b", ":"), "b")`, Result: `true`, Min: 2, Max: 2, Type: listFirst, Eval: listContains},
	{Name: "any", Signature: "any(list, glob)", Doc: "whether some member of the list matches the glob", Example: `any(split("a:b", ":"), "b*")`, Result: `true`, Min: 2, Max: 2, Type: listGlob, Eval: listAny},
	{Name: "all", Signature: "all(list, glob)", Doc: "whether every member of the list matches the glob; true for an empty list", Example: `all(split("a:b", ":"), "b*")`, Result: `false`, Min: 2, Max: 2, Type: listGlob, Eval: listAll},
	{Name: "permissions", Signature: "permissions(mode)", Doc: "the mode without the kind of file: set-id bits and permissions; a text is read as a mode", Example: `permissions("-rwxr-xr-x")`, Result: `"0755"`, Min: 1, Max: 1, Type: permissionsType, Eval: permissions},
	{Name: "field", Signature: "field(json, name, …)", Doc: "a member of a JSON document, as text; further names lead on into it, numbers into lists, from 0; null where there is none", Example: `field('{"a": {"b": ["x", 7]}}', "a", "b", 1)`, Result: `"7"`, Min: 2, Max: -1, Type: fieldType, Eval: field},
	{Name: "value_of", Signature: "value_of(x, name)", Doc: "what stands behind name= in the first member of a list that begins so, or in a line of words such as audit writes, without quotes; null where nothing does", Example: `value_of('type=SYSCALL exe="/usr/bin/nc" key=x', "exe")`, Result: `"/usr/bin/nc"`, Min: 2, Max: 2, Type: valueOfType, Eval: valueOf},
	{Name: "int", Signature: "int(x)", Doc: "the whole number that a text says or a float is; null where it is none", Example: `int("42")`, Result: `42`, Min: 1, Max: 1, Type: countType(value.Int), Eval: toInt},
	{Name: "unix_time", Signature: "unix_time(x[, per_second])", Doc: "the time that a count since 1970 is, of seconds or of so many a second; null for 0", Example: `unix_time("1795430640000", 1000)`, Result: `2026-11-23T10:44:00Z`, Min: 1, Max: 2, Type: countType(value.Time), Eval: since(0, 1)},
	{Name: "webkit_time", Signature: "webkit_time(x)", Doc: "the time that a count of microseconds since 1601 is, as in Chrome; null for 0", Example: `webkit_time(13439904240000000)`, Result: `2026-11-23T10:44:00Z`, Min: 1, Max: 1, Type: countType(value.Time), Eval: since(epochWindows, 1e6)},
	{Name: "windows_time", Signature: "windows_time(x)", Doc: "the time that a count of 100 nanoseconds since 1601 is, as in Windows; null for 0", Example: `windows_time(134399042400000000)`, Result: `2026-11-23T10:44:00Z`, Min: 1, Max: 1, Type: countType(value.Time), Eval: since(epochWindows, 1e7)},
	{Name: "cocoa_time", Signature: "cocoa_time(x)", Doc: "the time that a count of seconds since 2001 is, as in macOS; null for 0", Example: `cocoa_time(817123440.5)`, Result: `2026-11-23T10:44:00.5Z`, Min: 1, Max: 1, Type: countType(value.Time), Eval: since(epochCocoa, 1)},
	{Name: "CONTAINS NOCASE", Min: 2, Max: 2, Type: listFirst, Eval: listContainsFold},
	{Name: "+", Min: 2, Max: 2, Type: arithType("+"), Eval: arith("+")},
	{Name: "-", Min: 2, Max: 2, Type: arithType("-"), Eval: arith("-")},
	{Name: "*", Min: 2, Max: 2, Type: arithType("*"), Eval: arith("*")},
	{Name: "/", Min: 2, Max: 2, Type: arithType("/"), Eval: arith("/")},
	{Name: "%", Min: 2, Max: 2, Type: arithType("%"), Eval: arith("%")},
	{Name: "neg", Min: 1, Max: 1, Type: negType, Eval: negate},
}

// takes makes the check of a function with fixed argument types.
func takes(result value.Type, want ...value.Type) func([]value.Type) (value.Type, error) {
	return func(args []value.Type) (value.Type, error) {
		for i, a := range args {
			if a != value.Null && a != want[i] {
				return value.Null, fmt.Errorf("argument %d must be %s, not %s", i+1, want[i], a)
			}
		}
		return result, nil
	}
}

func inCIDRType(args []value.Type) (value.Type, error) {
	if len(args) > 0 && args[0] == value.List {
		args = append([]value.Type{value.IP}, args[1:]...)
	}
	return takes(value.Bool, value.IP, value.CIDR)(args)
}

func gives(t value.Type) func([]value.Type) (value.Type, error) {
	return func([]value.Type) (value.Type, error) { return t, nil }
}

func lenType(args []value.Type) (value.Type, error) {
	return oneOf(value.Int, args[0], value.Text, value.Bytes, value.List)
}

func hexType(args []value.Type) (value.Type, error) {
	return oneOf(value.Text, args[0], value.Text, value.Bytes, value.Int, value.Size, value.Mode)
}

func entropyType(args []value.Type) (value.Type, error) {
	return oneOf(value.Float, args[0], value.Text, value.Bytes)
}

func oneOf(result, arg value.Type, want ...value.Type) (value.Type, error) {
	var names []string
	for _, w := range want {
		if arg == w || arg == value.Null {
			return result, nil
		}
		names = append(names, w.String())
	}
	return value.Null, fmt.Errorf("the argument must be %s, not %s", strings.Join(names, " or "), arg)
}

func sameType(args []value.Type) (value.Type, error) { return sameFrom(1, args) }

// sameFrom is sameType for arguments of which the first has a number.
func sameFrom(first int, args []value.Type) (value.Type, error) {
	t := value.Null
	for i, a := range args {
		switch {
		case a == value.Null || a == t:
		case t == value.Null:
			t = a
		default:
			return value.Null, fmt.Errorf("argument %d is %s and an earlier one is %s", first+i, a, t)
		}
	}
	return t, nil
}

func ifType(args []value.Type) (value.Type, error) {
	if args[0] != value.Bool && args[0] != value.Null {
		return value.Null, fmt.Errorf("argument 1 must be a condition, not %s", args[0])
	}
	return sameFrom(2, args[1:])
}

func listFirst(args []value.Type) (value.Type, error) {
	return oneOf(value.Bool, args[0], value.List)
}

func listGlob(args []value.Type) (value.Type, error) {
	if args[1] != value.Text && args[1] != value.Null {
		return value.Null, errors.New("argument 2 must be a glob as text")
	}
	return listFirst(args)
}

func onText(f func(string) string) func([]value.Value) value.Value {
	return func(a []value.Value) value.Value { return value.NewText(f(a[0].Text())) }
}

func concat(a []value.Value) value.Value {
	var b strings.Builder
	for _, v := range a {
		if v.IsNull() {
			continue
		}
		if b.WriteString(textOf(v)); b.Len() > maxText {
			return value.Value{}
		}
	}
	return value.NewText(b.String())
}

func split(a []value.Value) value.Value {
	var list []value.Value
	for part := range strings.SplitSeq(a[0].Text(), a[1].Text()) {
		if len(list) == maxParts {
			return value.Value{}
		}
		list = append(list, value.NewText(part))
	}
	return value.NewList(list)
}

func joinType(args []value.Type) (value.Type, error) {
	if args[1] != value.Text && args[1] != value.Null {
		return value.Null, errors.New("argument 2 must be text")
	}
	return oneOf(value.Text, args[0], value.List)
}

// join skips members that are null, as concat does.
func join(a []value.Value) value.Value {
	var b strings.Builder
	for _, v := range a[0].List() {
		if v.IsNull() {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(a[1].Text())
		}
		if b.WriteString(textOf(v)); b.Len() > maxText {
			return value.Value{}
		}
	}
	if len(a[0].List()) == 0 {
		return value.Value{}
	}
	return value.NewText(b.String())
}

// numberOf reads a number as people write one: what programs also take for
// one (hexadecimal digits, infinity) is none.
func numberOf(a []value.Value) value.Value {
	text := strings.TrimSpace(a[0].Text())
	if strings.Trim(text, "0123456789.eE+-") != "" {
		return value.Value{}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return value.Value{}
	}
	return value.NewFloat(f)
}

func substr(a []value.Value) value.Value {
	r := []rune(a[0].Text())
	n := int64(len(r))
	start := a[1].Int() - 1
	if start < -1 {
		start = max(n+start+1, 0)
	}
	start = min(max(start, 0), n)
	end := n
	if len(a) == 3 {
		end = min(start+min(max(a[2].Int(), 0), n), n)
	}
	return value.NewText(string(r[start:end]))
}

func replace(a []value.Value) value.Value {
	old := a[1].Text()
	if old == "" {
		return a[0]
	}
	// A replacement may be longer than what it replaces: the result is
	// bounded, so that a row cannot be made to fill the memory.
	if n := strings.Count(a[0].Text(), old); n*(len(a[2].Text())-len(old))+len(a[0].Text()) > maxText {
		return value.Value{}
	}
	return value.NewText(strings.ReplaceAll(a[0].Text(), old, a[2].Text()))
}

// Bounds of what a function may make of a row; beyond them it has no value.
const (
	maxText  = 16 << 20  // bytes of a text
	maxParts = 256 << 10 // members of a list, each of which takes 48 bytes beside its text
)

func length(a []value.Value) value.Value {
	switch a[0].Type() {
	case value.List:
		return value.NewInt(int64(len(a[0].List())))
	case value.Bytes:
		return value.NewInt(int64(len(a[0].Bytes())))
	}
	return value.NewInt(int64(len([]rune(a[0].Text()))))
}

// Basename is what stands after the last separator of a path; both slashes
// separate where the path begins like one of Windows.
func Basename(p string) string { return p[lastSeparator(p)+1:] }

// Dirname is what stands before the last separator of a path, "/" for what
// lies at the root and "" for a name alone.
func Dirname(p string) string {
	i := lastSeparator(p)
	switch {
	case i < 0:
		return ""
	case i == 0 || windowsPath(p) && i == 2:
		return p[:i+1]
	}
	return p[:i]
}

// Extension is what stands after the last dot of a path's name, "" for none
// and for a name whose only dot is its first byte.
func Extension(p string) string {
	name := Basename(p)
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i+1:]
	}
	return ""
}

func lastSeparator(p string) int {
	if windowsPath(p) {
		return strings.LastIndexAny(p, `/\`)
	}
	return strings.LastIndexByte(p, '/')
}

func windowsPath(p string) bool {
	return strings.HasPrefix(p, `\\`) || len(p) >= 3 && p[1] == ':' && (p[2] == '\\' || p[2] == '/')
}

func extract(a []value.Value) value.Value {
	re, err := regexp.Compile(a[1].Text())
	if err != nil {
		return value.Value{}
	}
	m := re.FindStringSubmatch(a[0].Text())
	group := int64(0)
	if len(a) == 3 {
		group = a[2].Int()
	}
	if group < 0 || group >= int64(len(m)) {
		return value.Value{}
	}
	return value.NewText(m[group])
}

func base64Decode(a []value.Value) value.Value {
	b, err := base64.StdEncoding.DecodeString(a[0].Text())
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(a[0].Text())
	}
	if err != nil {
		return value.Value{}
	}
	return value.NewBytes(b)
}

func hexOf(a []value.Value) value.Value {
	switch a[0].Type() {
	case value.Text:
		return value.NewText(hex.EncodeToString([]byte(a[0].Text())))
	case value.Bytes:
		return value.NewText(hex.EncodeToString(a[0].Bytes()))
	}
	return value.NewText(fmt.Sprintf("%x", a[0].Int()))
}

func entropyOf(a []value.Value) value.Value {
	text := textOf(a[0])
	var count [256]int
	for i := range len(text) {
		count[text[i]]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(text))
			bits -= p * math.Log2(p)
		}
	}
	return value.NewFloat(bits)
}

func coalesce(a []value.Value) value.Value {
	for _, v := range a {
		if !v.IsNull() {
			return v
		}
	}
	return value.Value{}
}

func ifElse(a []value.Value) value.Value {
	if a[0].Bool() {
		return a[1]
	}
	if len(a) == 3 {
		return a[2]
	}
	return value.Value{}
}

func inCIDR(a []value.Value) value.Value {
	addresses := a[:1]
	if a[0].Type() == value.List {
		addresses = a[0].List()
	}
	for _, v := range addresses {
		if v.Type() == value.IP && a[1].CIDR().Contains(v.IP().Unmap()) {
			return value.NewBool(true)
		}
	}
	return value.NewBool(false)
}

func isPrivate(a []value.Value) value.Value {
	ip := a[0].IP().Unmap()
	return value.NewBool(ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

func listContains(a []value.Value) value.Value     { return listHolds(a, false) }
func listContainsFold(a []value.Value) value.Value { return listHolds(a, true) }

// listHolds says whether a member equals a value. Where none is known to, and
// of one it cannot be told, it is null.
func listHolds(a []value.Value, fold bool) value.Value {
	some := value.False
	for _, v := range a[0].List() {
		if some = some.Or(known(Eq, v, a[1], fold)); some == value.True {
			break
		}
	}
	return some.Value()
}

func listAny(a []value.Value) value.Value { return listGlobs(a, false) }
func listAll(a []value.Value) value.Value { return listGlobs(a, true) }

func listGlobs(a []value.Value, all bool) value.Value {
	g, err := value.CompileGlob(a[1].Text(), value.GlobOptions{Windows: value.BackslashSeparates(a[1].Text())})
	if err != nil {
		return value.Value{}
	}
	for _, v := range a[0].List() {
		if g.Match(textOf(v)) != all {
			return value.NewBool(!all)
		}
	}
	return value.NewBool(all)
}

func permissionsType(args []value.Type) (value.Type, error) {
	return oneOf(value.Mode, args[0], value.Mode, value.Text)
}

func permissions(a []value.Value) value.Value {
	const bits = 0o7777
	mode := uint32(a[0].Int())
	if a[0].Type() == value.Text {
		var err error
		if mode, err = value.ParseMode(a[0].Text()); err != nil {
			return value.Value{}
		}
	}
	return value.NewMode(mode & bits)
}
