package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/planner"
)

// check holds the queries of a rule against the parser and the planner, and
// brings them into the one canonical form.
func check(r *Rule, lists []List, in Input) {
	if r.Outcome != Not && len(r.Queries) == 0 {
		r.Note(r.Line, "no query came of it")
		r.Outcome = Not
	}
	for i, text := range r.Queries {
		canonical, err := canonical(text, lists, in)
		if err != nil {
			r.Note(r.Line, "its query is refused: %s", firstLine(err))
			r.Outcome, r.Queries = Not, nil
			return
		}
		r.Queries[i] = canonical
	}
}

// canonical parses, plans and formats one query.
func canonical(text string, lists []List, in Input) (string, error) {
	src := lang.Source{Name: "converted", Text: text}
	file, err := lang.Parse(src)
	if err != nil {
		return "", err
	}
	if len(file.Queries) != 1 {
		return "", fmt.Errorf("%d queries stand where one was meant", len(file.Queries))
	}
	read := func(name string) ([]byte, error) {
		for _, l := range lists {
			if l.Name == name {
				return l.Text, nil
			}
		}
		return nil, fmt.Errorf("@%s: %w", name, fs.ErrNotExist)
	}
	_, _, err = planner.Compile(file.Queries[0], in.Catalogue, planner.Inputs{Source: src, ReadList: read, Now: in.Now, OS: "linux", Dir: "/"})
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(lang.Format(file)), nil
}

func firstLine(err error) string {
	var wrong *lang.Error
	if errors.As(err, &wrong) && len(wrong.Diagnostics) > 0 {
		return wrong.Diagnostics[0].Message
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
