package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
)

// maxSource is where reading a query stops, in bytes: past the parser's own
// bound, so that the parser says what is wrong with it.
const maxSource = 16 << 20

var firstWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^(find|from|watch|explain|param|let)$`) })

// sources turns arguments into texts with names.
func (a *app) sources(args []string) ([]lang.Source, error) {
	var out []lang.Source
	for i, arg := range args {
		switch {
		case arg == "-":
			text, err := io.ReadAll(io.LimitReader(a.In, maxSource))
			if err != nil {
				return nil, fmt.Errorf("standard input: %w", err)
			}
			out = append(out, lang.Source{Name: "stdin", Text: string(text)})
		case i == 0 && len(args) > 1 && firstWord().MatchString(arg):
			return nil, errors.New("the query came as several words\nhint: put it in quotes, so that the shell leaves it whole: quaestor run 'FIND …'")
		case isFile(arg):
			text, err := readFile(arg)
			if err != nil {
				return nil, err
			}
			out = append(out, lang.Source{Name: arg, Text: text})
		default:
			name := "query"
			if len(args) > 1 {
				name = fmt.Sprintf("query %d", i+1)
			}
			out = append(out, lang.Source{Name: name, Text: arg})
		}
	}
	return out, nil
}

// isFile says whether an argument names a file and is not a query itself.
func isFile(arg string) bool {
	if strings.HasSuffix(arg, ".qst") && !strings.ContainsAny(arg, "\n;") {
		return true
	}
	if strings.ContainsAny(arg, " \t\n") {
		return false
	}
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil {
		return "", err
	}
	return string(text), nil
}

// compile reads, checks and plans what the arguments say. Warnings are
// written unless quiet is set.
func (a *app) compile(s *quaestor.LocalSession, args []string, quiet bool) (*quaestor.Compiled, error) {
	sources, err := a.sources(args)
	if err != nil {
		return nil, err
	}
	return a.compiled(s, sources, quiet)
}

// compiled checks and plans sources.
func (a *app) compiled(s *quaestor.LocalSession, sources []lang.Source, quiet bool) (*quaestor.Compiled, error) {
	c, err := s.Compile(sources...)
	if !quiet {
		for _, w := range c.Warnings {
			fmt.Fprintln(a.Err, w)
		}
	}
	if err != nil {
		return nil, &exit{ExitWrong, err}
	}
	if len(c.Queries) == 0 {
		return nil, &exit{ExitWrong, errors.New("quaestor: there is no query in it")}
	}
	return c, nil
}
