// Package quaestor asks questions about machines: the library.
//
// A newcomer needs [Local], which asks this machine, and [Rows.All]:
//
//	s, err := quaestor.Local()
//	…
//	rows, err := s.Query(ctx, `FIND file /etc/** CONTAINS "root" RETURN path, mtime`)
//	…
//	for row, err := range rows.All() {
//		…
//		fmt.Println(row.Text("path"), row.Time("mtime"))
//	}
//	if rows.Summary().Outcome != answer.Complete { … }
//
// "Found nothing" and "could not look" are told apart by [Rows.Summary] alone:
// who does not look at it must not conclude anything from rows that are not
// there. The package links no network; fleets are asked by package client,
// through the same [Session].
package quaestor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
)

// A Session answers queries.
type Session interface {
	// Query asks what the text says; several queries in it are asked
	// together. A text that is wrong gives an error that holds a *lang.Error
	// for each query with mistakes; arguments that do not fit give one that
	// wraps ErrArgument.
	Query(ctx context.Context, text string, args ...Argument) (*Rows, error)
	// Prepare reads a text that is to be asked often.
	Prepare(text string) (*Prepared, error)
	// Close lets go of what the session holds. Rows end.
	Close() error
}

// ErrNotLocal is the root of the error about a query that asks others than
// this machine.
var ErrNotLocal = errors.New("only this machine can be asked here")

// Options say how a machine is asked. The zero value asks this machine, with
// the modules that come with Quaestor.
type Options struct {
	Modules []modules.Module  // nil: those of modules/std
	Root    string            // a tree that stands for the machine; "" is the machine itself
	Now     func() time.Time  // nil: the clock
	Dir     string            // where @lists and relative paths start; "" is the working directory
	Params  map[string]string // what PARAMs are, as text
	// List gives @lists that are no files; false: it is a file. Nil: all are.
	List func(name string) (data []byte, ok bool, err error)
	// Functions are those that queries of this machine may call beside the
	// language's own.
	Functions []Function
	Limits    Limits // of queries of this machine
	// Logger is told of queries that begin and end, and of what they left
	// out, at the level of debugging; nil: nobody is.
	Logger *slog.Logger
	// Case gives the module answer of a case, so that FROM case("NAME") FIND
	// answer can be asked. Nil: no case can.
	Case    func(name string) (modules.Module, error)
	Workers int    // how many goroutines look; 0: as many as there are processors
	OS      string // the system that queries are checked for, as in runtime.GOOS; "": this one
	Naive   bool   // run plans as they were written: for tests that compare
}

// Local makes a session that asks this machine, with the modules that come
// with Quaestor unless others are given.
func Local(mods ...modules.Module) (Session, error) {
	return LocalWith(Options{Modules: mods})
}

// LocalSession is a Session that asks this machine. It may be used by several
// goroutines at once.
type LocalSession struct {
	opts   Options
	funcs  []plan.Func
	cat    *modules.Catalogue
	engine *engine.Engine
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
}

// LocalWith is Local with more to say. The error is about a module whose
// schema is wrong, or about the working directory.
func LocalWith(o Options) (*LocalSession, error) {
	if len(o.Modules) == 0 {
		o.Modules = std.Modules()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the working directory: %w", err)
	}
	o.Dir = dir
	cat, err := modules.NewCatalogue(o.Modules...)
	if err != nil {
		return nil, err
	}
	funcs, err := functions(o.Functions)
	if err != nil {
		return nil, err
	}
	s := &LocalSession{opts: o, cat: cat, funcs: funcs}
	s.engine = engine.New(cat, s.engineOptions())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Catalogue gives the modules that queries may name.
func (s *LocalSession) Catalogue() *modules.Catalogue { return s.cat }

// Close ends every answer that still runs.
func (s *LocalSession) Close() error {
	s.cancel()
	return nil
}

// engineOf gives the engine that answers queries here: of this machine, or of
// one case.
func (s *LocalSession) engineOf(queries ...Query) (*engine.Engine, error) {
	for _, q := range queries {
		switch {
		case q.cat != queries[0].cat:
			return nil, errors.New("queries of this machine, or of several cases, cannot be asked together\nhint: ask one after the other")
		case q.Plan.Source != "local" && q.cat == nil:
			return nil, fmt.Errorf("the query %q asks %s: %w", q.Name, q.Plan.Source, ErrNotLocal)
		}
	}
	if queries[0].cat == nil {
		return s.engine, nil
	}
	return engine.New(queries[0].cat, s.engineOptions()), nil
}

func (s *LocalSession) engineOptions() engine.Options {
	return engine.Options{Host: modules.Host{Root: s.opts.Root, Now: s.opts.Now}, Workers: s.opts.Workers}
}

// catalogueOf gives the modules that a query speaks of.
func (s *LocalSession) catalogueOf(q Query) *modules.Catalogue {
	if q.cat != nil {
		return q.cat
	}
	return s.cat
}

// Query implements Session. Messages call the text "query".
func (s *LocalSession) Query(ctx context.Context, text string, args ...Argument) (*Rows, error) {
	p, err := s.Prepare(text)
	if err != nil {
		return nil, err
	}
	return p.Query(ctx, args...)
}

// maxListFile is where reading the file of an @list stops, in bytes: past the
// planner's own bound, so that the planner says what is wrong with it.
const maxListFile = 128<<20 + 1

// readList reads an @list: a file, whose name may be relative to dir, unless
// Options.List has it.
func (s *LocalSession) readList(dir, name string) ([]byte, error) {
	if s.opts.List != nil {
		if data, ok, err := s.opts.List(name); ok || err != nil {
			return data, err
		}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxListFile))
}
