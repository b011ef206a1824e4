package lang

import (
	"errors"
	"go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"strconv"
	"strings"
	"testing"
)

// TestCodes holds every code to the example in its comment.
func TestCodes(t *testing.T) {
	file, err := goparser.ParseFile(gotoken.NewFileSet(), "codes.go", nil, goparser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := spec.Names[0].Name
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || seen[code] {
			t.Errorf("%s: bad or doubled code %s", name, code)
		}
		seen[code] = true
		doc := strings.TrimSpace(strings.TrimPrefix(spec.Doc.Text(), name))
		if strings.HasPrefix(doc, "has no example") {
			return true
		}
		t.Run(code, func(t *testing.T) { checkExample(t, code, strings.TrimPrefix(doc, ": ")) })
		return true
	})
	if len(seen) < 50 {
		t.Errorf("only %d codes were found", len(seen))
	}
}

func checkExample(t *testing.T, code, example string) {
	example = strings.NewReplacer(`\x00`, "\x00", `\xe9`, "\xe9").Replace(example)
	_, err := Parse(Source{"query", example})
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%q parses", example)
	}
	for _, d := range e.Diagnostics {
		if string(d.Code) != code {
			t.Errorf("%q gives %s:\n%v", example, d.Code, err)
		}
	}
}

// TestBounds checks the codes whose sources are too long for a comment.
func TestBounds(t *testing.T) {
	deep := func(n int) string {
		return "FIND file WHERE " + strings.Repeat("(", n) + "a" + strings.Repeat(")", n)
	}
	list := func(n int) string { return "FIND f WHERE a IN (1" + strings.Repeat(",1", n-1) + ")" }
	tests := []struct {
		name, text string
		want       Code // "" if it parses
	}{
		{"nesting", deep(MaxNesting), ""},
		{"nesting over", deep(MaxNesting + 1), CodeTooDeep},
		{"nesting far over", deep(100_000), CodeTooManyTokens},
		{"unclosed", "FIND f WHERE " + strings.Repeat("(", 60_000), CodeTooDeep},
		{"not", "FIND f WHERE " + strings.Repeat("NOT ", MaxNesting) + "a", ""},
		{"not over", "FIND f WHERE " + strings.Repeat("NOT ", MaxNesting+1) + "a", CodeTooDeep},
		{"not in groups", "FIND f WHERE " + strings.Repeat("NOT (", MaxNesting/2+1) + "a" + strings.Repeat(")", MaxNesting/2+1), CodeTooDeep},
		{"minus over", "FIND f WHERE a = " + strings.Repeat("- ", MaxNesting+1) + "1", CodeTooDeep},
		{"many shallow", "FIND f WHERE (NOT a)" + strings.Repeat(" AND (NOT a)", 500), ""},
		{"subqueries", "FIND f WHERE a IN " + strings.Repeat("(FIND f WHERE a IN ", MaxNesting+1), CodeTooDeep},
		{"list", list(MaxListItems), ""},
		{"list over", list(MaxListItems + 1), CodeListTooLong},
		{"queries", strings.Repeat("FIND f;", MaxQueries-1) + "FIND f", ""},
		{"queries over", strings.Repeat("FIND f;", MaxQueries) + "FIND f", CodeTooManyQueries},
		{"tokens over", "FIND f WHERE a" + strings.Repeat("+1", MaxTokens/2), CodeTooManyTokens},
		{"long chain", "FIND f WHERE a" + strings.Repeat(" OR a", MaxTokens/2-10), ""},
		{"size", "FIND f --" + strings.Repeat("x", MaxSource-9), ""},
		{"size over", "FIND f --" + strings.Repeat("x", MaxSource-8), CodeTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse(Source{"query", tt.text})
			var e *Error
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want == "":
				if got := Format(f); got == "" {
					t.Error("nothing was formatted")
				}
			case !errors.As(err, &e) || len(e.Diagnostics) != 1 || e.Diagnostics[0].Code != tt.want:
				t.Errorf("want one %s, got %v", tt.want, err)
			}
		})
	}
}

// TestHostile: sources of the largest size that once took a step for every pair
// of their bytes. The test's own time limit is what finds a relapse.
func TestHostile(t *testing.T) {
	fill := func(front, unit string) string {
		return front + strings.Repeat(unit, (MaxSource-len(front))/len(unit))
	}
	for _, text := range []string{
		fill("FIND f ", "{"), fill("FIND f ", "{a,"), fill("FIND f MATCHES ", ")"), fill("FIND f MATCHES a", ")("), fill("FIND f ", "LIMIT "),
		fill("FIND f ", "LIMIT x y "), fill("FIND f ", "AND FIND f "), fill("FIND f WHERE ", "a = NULL AND "), fill("FIND f WHERE ", "\u201c"),
		fill("FIND f WHERE ", "${"), fill("FIND f WHERE ", "(FIND "), fill("FIND f WHERE ", "a BETWEEN 1 "), fill("FIND f -- x\n", "--\n"),
		fill("", "FIND f; -- x\n"), fill("FIND f WHERE a", ".a"), fill("FIND f WHERE ", "1:"), fill("FIND f WHERE ", "ANY "), fill("x", " \n"),
		fill("FIND f RETURN a", ", a AS"), fill("FIND f WHERE \"", "\\q"), fill("FIND f WHERE a = ", "'"),
	} {
		f, err := Parse(Source{"hostile", text})
		if err == nil {
			Format(f)
		} else if err.Error() == "" {
			t.Error("nothing is said")
		}
	}
}
