package quaestor

import (
	"context"
	"errors"

	"github.com/quaestor-engine/quaestor/lang"
)

// A Prepared is a text of queries that was read once, to be asked often. It
// may be used by several goroutines at once.
type Prepared struct {
	session *LocalSession
	file    *lang.File
	run     func(ctx context.Context, c *Compiled) (*Rows, error)
}

// Prepare reads a text of queries. The error is a *lang.Error; names and types
// are checked when the queries are asked, with their arguments.
func (s *LocalSession) Prepare(text string) (*Prepared, error) {
	f, err := lang.Parse(lang.Source{Name: "query", Text: text})
	if err != nil {
		return nil, err
	}
	return &Prepared{session: s, file: f, run: s.Run}, nil
}

// Through gives the same, asked in another way: package client asks a fleet
// what this machine compiled.
func (p *Prepared) Through(run func(ctx context.Context, c *Compiled) (*Rows, error)) *Prepared {
	return &Prepared{session: p.session, file: p.file, run: run}
}

// Query asks the queries with these arguments. Parameters without one keep
// their default, or what Options.Params says. The error holds a *lang.Error
// for each query with mistakes, or wraps ErrArgument.
func (p *Prepared) Query(ctx context.Context, args ...Argument) (*Rows, error) {
	c, err := p.Compile(args...)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, c)
}

// Compile checks and plans the queries with these arguments, and asks nobody.
func (p *Prepared) Compile(args ...Argument) (*Compiled, error) {
	g, err := bind(p.file, args)
	if err != nil {
		return nil, err
	}
	c := &Compiled{}
	unknown := p.session.undeclared([]*lang.File{p.file})
	var errs error
	for i, q := range p.file.Queries {
		params := p.session.paramsOf(q, unknown)
		for _, d := range q.Params {
			if text, ok := g.params[d.Name.Name]; ok {
				params[d.Name.Name] = text
			}
		}
		errs = errors.Join(errs, p.session.compile(c, p.file, i, given{params, g.lists}))
		unknown = nil // said once
	}
	return c, errs
}
