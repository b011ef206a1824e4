package docs

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// An example is a code with what its comment in the source says of it.
type example struct {
	code  string
	query string // "" for none
	note  string // why there is none
}

// Messages prints the list of mistakes: every code of the parser and of the
// planner with the query in its comment, and what is said about that query.
func Messages(root string) (string, error) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Messages\n\n" + printed +
		"Every message has a place, a sentence and, where there is one, the mend behind the carets. Programs know it by its code. " +
		"Below, each code has a query that gives it and what is then said. Messages marked as warnings do not keep a query from running.\n")
	for _, part := range []struct{ title, file string }{
		{"What cannot be read", "lang/codes.go"},
		{"What cannot be meant, and what is doubtful", "planner/codes.go"},
	} {
		list, err := examples(filepath.Join(root, filepath.FromSlash(part.file)))
		if err != nil {
			return "", err
		}
		b.WriteString("\n## " + part.title + "\n")
		for _, e := range list {
			fmt.Fprintf(&b, "\n### %s\n\n", e.code)
			if e.query == "" {
				b.WriteString(sentence(bounds.Replace(e.note)) + "\n")
				continue
			}
			said, err := said(cat, e)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "```text\n%s\n```\n", said)
		}
	}
	return b.String(), nil
}

// bounds puts numbers where the source names constants.
var bounds = strings.NewReplacer(
	"MaxSource", value.FormatSize(lang.MaxSource), "MaxTokens", fmt.Sprint(lang.MaxTokens, " words"),
	"MaxNesting", fmt.Sprint(lang.MaxNesting, " levels"), "MaxListItems", fmt.Sprint(lang.MaxListItems, " items"),
	"MaxQueries", fmt.Sprint(lang.MaxQueries, " queries"),
)

// examples reads the constants of a file and their comments.
func examples(name string) ([]example, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var list []example
	var bad error
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		code, err := strconv.Unquote(lit.Value)
		text := strings.TrimPrefix(strings.TrimSpace(spec.Doc.Text()), spec.Names[0].Name)
		e := example{code: code}
		if query, found := strings.CutPrefix(text, ": "); found {
			e.query = strings.NewReplacer(`\x00`, "\x00", `\xe9`, "\xe9", `\t`, "\t").Replace(query)
		} else if _, e.note, found = strings.Cut(text, ": "); !found {
			err = fmt.Errorf("%s: the comment of %s holds no query and no reason", name, spec.Names[0].Name)
		}
		bad = errors.Join(bad, err)
		list = append(list, e)
		return true
	})
	return list, bad
}

// said gives what is said about the query of an example.
func said(cat *modules.Catalogue, e example) (string, error) {
	src := lang.Source{Name: "query", Text: e.query}
	f, err := lang.Parse(src)
	var warnings []lang.Diagnostic
	if err == nil {
		_, warnings, err = planner.Compile(f.Queries[0], cat, planner.Inputs{
			Source: src, Dir: "/hunts", OS: "linux", Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
			ReadList: func(name string) ([]byte, error) {
				return nil, &fs.PathError{Op: "open", Path: path.Join("/hunts", filepath.ToSlash(name)), Err: fs.ErrNotExist}
			},
		})
	}
	var parts []string
	var wrong *lang.Error
	switch {
	case errors.As(err, &wrong):
		parts = append(parts, wrong.Error())
	case err != nil:
		return "", err
	}
	for _, w := range warnings {
		parts = append(parts, w.Render(src))
	}
	all := strings.Join(parts, "\n")
	if all == "" {
		return "", fmt.Errorf("nothing is said about the example of %s: %s", e.code, e.query)
	}
	return all, nil
}
