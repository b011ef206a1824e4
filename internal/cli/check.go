package cli

import (
	"errors"
	"slices"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/planner"
)

// Run checks queries. A parameter that has no value yet is none of their
// mistakes.
func (c *checkCommand) Run(a *app) error {
	session, err := quaestor.LocalWith(quaestor.Options{Params: c.Set, OS: c.OS, Case: a.caseModule})
	if err != nil {
		return err
	}
	defer session.Close()
	sources, err := a.sources(c.Queries)
	if err != nil {
		return err
	}
	compiled, err := session.Compile(sources...)
	open, err := withoutValues(err)
	found := findings(compiled, err)
	if found == nil && err != nil {
		return err
	}
	queries, warnings := len(compiled.Queries)+open, len(compiled.Warnings)
	if err := a.report(found, c.Format, queries); err != nil {
		return err
	}
	if mistakes := len(found) - warnings; mistakes > 0 || c.Strict && warnings > 0 {
		return &exit{code: ExitWrong}
	}
	return nil
}

// withoutValues takes the complaints about parameters without a value out of
// an error, and counts the queries that had no other mistake.
func withoutValues(err error) (open int, rest error) {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		var errs []error
		for _, e := range several.Unwrap() {
			n, e := withoutValues(e)
			open += n
			errs = append(errs, e)
		}
		return open, errors.Join(errs...)
	}
	var wrong *lang.Error
	if !errors.As(err, &wrong) {
		return 0, err
	}
	left := *wrong
	left.Diagnostics = slices.DeleteFunc(slices.Clone(wrong.Diagnostics), func(d lang.Diagnostic) bool {
		return d.Code == planner.CodeParameterWithoutValue
	})
	if len(left.Diagnostics) == 0 && left.More == 0 {
		return 1, nil
	}
	return 0, &left
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
