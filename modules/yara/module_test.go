package yara

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// toy is a module with a field of each kind.
func toy(loads *int) *Module {
	section := StructOf(map[string]Type{"name": {Kind: String}, "size": {Kind: Int}})
	return &Module{
		Name: "toy",
		Fields: map[string]Type{
			"SEVEN": Const(Integer(7)), "size": {Kind: Int}, "ratio": {Kind: Float}, "absent": {Kind: Int}, "broken": {Kind: Int},
			"sections": ArrayOf(section), "info": DictOf(Type{Kind: String}),
			"twice": {Kind: Func, Calls: []Signature{{Args: []Kind{Int}, Result: Type{Kind: Int}}, {Args: []Kind{String}, Result: Type{Kind: String}}}},
			"has":   FuncOf(Bool, Regex, String),
		},
		Load: func(d *Data) (Value, error) {
			*loads++
			n, _ := d.Size()
			names := []string{".text", ".data"}
			info := Dictionary{Keys: []string{"os", "arch"}, At: func(k string) (Value, error) { return Text(strings.ToUpper(k)), nil }}
			fields := map[string]Value{
				"size": Integer(n), "ratio": Number(0.5), "info": info.Value(),
				"sections": List(2, func(i int) (Value, error) {
					return Object(func(f string) (Value, error) {
						if f == "name" {
							return Text(names[i]), nil
						}
						return Integer(int64(10 * (i + 1))), nil
					}), nil
				}),
				"twice": Function(func(args []Value) (Value, error) {
					if args[0].Kind() == String {
						return Text(args[0].Text() + args[0].Text()), nil
					}
					return Integer(2 * args[0].Int()), nil
				}),
				"has": Function(func(args []Value) (Value, error) { return Boolean(args[0].Matches(args[1].Text())), nil }),
			}
			return Object(func(f string) (Value, error) {
				if f == "broken" {
					return Value{}, errors.New("it is broken")
				}
				return fields[f], nil
			}), nil
		},
	}
}

func TestModules(t *testing.T) {
	loads := 0
	m := toy(&loads)
	for cond, want := range map[string]bool{
		`toy.SEVEN == 7`: true, `toy.size == 3 and toy.ratio < 1`: true, `defined toy.absent`: false, `toy.absent == 0`: false,
		`toy.sections[1].name == ".data"`: true, `defined toy.sections[2].name`: false, `toy.info["os"] == "OS"`: true, `defined toy.info["no"]`: false,
		`for any s in toy.sections : ( s.name == ".text" and s.size == 10 )`: true, `for all s in toy.sections : ( s.size > 10 )`: false,
		`for any k, v in toy.info : ( k == "arch" and v == "ARCH" )`: true, `for all i in (0..1) : ( toy.sections[i].size == 10 * (i + 1) )`: true,
		`toy.twice(4) == 8 and toy.twice("a") == "aa"`: true, `defined toy.twice(toy.absent)`: false, `toy.has(/^b+$/, "bb")`: true,
		`toy.twice(toy.sections[0].size) == 20`: true,
	} {
		if got := holds(t, "import \"toy\"\n"+condition(cond), []byte("abc"), Options{Modules: []*Module{m}}); got != want {
			t.Errorf("%s: %v", cond, got)
		}
	}
}

// A module is asked once, by who needs it, and an error makes undecided.
func TestModulesAreLazy(t *testing.T) {
	loads := 0
	rules := mustCompile(t, `import "toy"
rule a { condition: toy.size == 3 or toy.size == 4 }
rule b { condition: toy.ratio == 0.5 and filesize == 3 }
rule c { condition: filesize == 3 and toy.broken == 1 }
rule d { condition: filesize == 3 or toy.broken == 1 }
`, Options{Modules: []*Module{toy(&loads)}})
	s := rules.NewScanner(Limits{})
	res, _ := s.Whole(context.Background(), []byte("abc"))
	if len(res.Matches) != 3 || loads != 1 || len(res.Undecided) != 1 || res.Undecided[0].Reason != "it is broken" {
		t.Errorf("%+v %d", res, loads)
	}
	if res, _ = s.Whole(context.Background(), []byte("abcd")); len(res.Matches) != 1 || loads != 2 {
		t.Errorf("%+v %d", res, loads)
	}
}

func TestData(t *testing.T) {
	text := strings.Repeat("0123456789", 30_000)
	for name, d := range map[string]*Data{
		"whole":    {whole: []byte(text), size: int64(len(text))},
		"streamed": {head: []byte(text[:1000]), at: strings.NewReader(text), size: int64(len(text))},
	} {
		for _, c := range []struct {
			off  int64
			n    int
			want string
		}{{0, 4, "0123"}, {998, 4, "8901"}, {299_998, 10, "89"}, {300_000, 1, ""}, {-1, 4, ""}, {1 << 62, 1 << 40, ""}, {5, 0, ""}} {
			if got, err := d.Slice(c.off, c.n); string(got) != c.want || err != nil {
				t.Errorf("%s %d+%d: %q %v", name, c.off, c.n, got, err)
			}
		}
		n := 0
		err := d.Blocks(10, 1<<40, func(b []byte) bool { n += len(b); return true })
		if n != len(text)-10 || err != nil {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
}

func ExampleCompile() {
	rules, err := Compile(Source{Name: "demo.yar", Text: `rule greets : demo { strings: $hi = "hello" nocase condition: $hi at 0 }`}, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, _ := rules.NewScanner(Limits{}).Whole(context.Background(), []byte("Hello, world"))
	for _, m := range res.Matches {
		fmt.Println(m.Rule.Name, m.Rule.Tags, m.Strings[0].Name, m.Strings[0].Offset, string(m.Strings[0].Data))
	}
	// Output: greets [demo] $hi 0 Hello
}
