// Package cli is the command quaestor, with its surroundings handed in so that
// tests can run it.
//
// [Main] is all that a program needs. Each command is a struct of its flags
// (commands.go lists them) with a Run method in a file of its own. The package
// decides how things are asked for and shown; what a query means is decided
// below it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/formats"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/value"
)

// The exit codes.
const (
	ExitDone        = 0   // it was done, whatever was found
	ExitAsked       = 1   // --fail-on asked for this, or fmt --diff shows a difference
	ExitWrong       = 2   // the query is wrong
	ExitIncomplete  = 3   // --require complete, and something was left out
	ExitFailed      = 4   // it could not be run: flags, files, a full disk
	ExitInterrupted = 130 // Ctrl-C; what had been found was shown
)

// IO is what a command talks to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Getenv gives variables of the environment.
	Getenv func(string) string
}

// exit is an error that says how the program ends. Err may be nil, where
// everything was said already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// early is what kong's wish to exit is turned into: it goes on otherwise.
type early int

// app is what every command gets.
type app struct {
	IO
	ctx    context.Context
	screen *sync.Mutex // held by who writes rows, or asks something while they come
	keeper *keeper     // nil: each command connects for itself
}

func newApp(ctx context.Context, std IO) *app { return &app{IO: std, ctx: ctx, screen: &sync.Mutex{}} }

// within gives the same with another context.
func (a *app) within(ctx context.Context) *app {
	b := *a
	b.ctx = ctx
	return &b
}

// Main runs the command line and gives the exit code. The arguments are
// without the program's name. When ctx ends, the command ends within a second.
func Main(ctx context.Context, args []string, std IO) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case early:
			code = int(r)
		default:
			panic(r)
		}
	}()
	if len(args) == 0 && !isPrompt(std) {
		_, _ = io.WriteString(std.Out, shortHelp)
		return ExitDone
	}
	if len(args) == 0 {
		args = []string{"repl"}
	}
	k, err := kong.New(grammar(args[0]), kong.Name("quaestor"), kong.Description(description),
		kong.Writers(std.Out, std.Err), kong.Exit(func(c int) { panic(early(c)) }),
		kong.Vars{"formats": strings.Join(render.Formats(), ", "), "conversions": strings.Join(convert.Names(formats.All()), ", ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic("cli: the table of commands is wrong: " + err.Error())
	}
	parsed, err := k.Parse(args)
	if err != nil {
		fmt.Fprintf(std.Err, "quaestor: %v\nhint: quaestor --help lists commands and flags\n", err)
		return ExitFailed
	}
	return report(std, parsed.Run(newApp(ctx, std)))
}

// grammar gives the table of commands or, where the first argument is one of
// them, a table of that alone: to build them all takes as long as to answer a
// small question.
func grammar(first string) any {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[commands]()) {
		if _, ok := f.Tag.Lookup("cmd"); !ok {
			continue
		}
		if name := f.Tag.Get("name"); first == name || name == "" && first == strings.ToLower(f.Name) {
			alone := reflect.StructOf([]reflect.StructField{{Name: f.Name, Type: f.Type, Tag: f.Tag}})
			return reflect.New(alone).Interface()
		}
	}
	return &commands{}
}

// report says what went wrong, if anything, and gives the exit code. An error
// may hold words of hosts and relays.
func report(std IO, err error) int {
	if err == nil || isClosedPipe(err) {
		return ExitDone
	}
	code := ExitFailed
	var e *exit
	if errors.As(err, &e) {
		code, err = e.code, e.err
	}
	switch {
	case err == nil:
	case code == ExitWrong:
		fmt.Fprintln(std.Err, value.EscapeLines(err.Error()))
	default:
		fmt.Fprintf(std.Err, "quaestor: %s\n", value.EscapeLines(err.Error()))
	}
	return code
}

// The numbers of Windows for a pipe that nobody reads.
const (
	windowsBrokenPipe syscall.Errno = 109
	windowsNoData     syscall.Errno = 232
)

// isClosedPipe says whether whoever read the output has gone, which is no
// failure: head does it.
func isClosedPipe(err error) bool {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	return runtime.GOOS == "windows" && (errors.Is(err, windowsBrokenPipe) || errors.Is(err, windowsNoData))
}
