// Command agent is an agent of a fleet that has the module tmpfile beside
// those that come with Quaestor:
//
//	agent -dir DIR enroll HOST:PORT < TOKEN
//	agent -dir DIR run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"example.com/quaestor-tmpfile"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

func main() {
	dir := flag.String("dir", "/var/lib/quaestor-agent", "the agent's folder")
	root := flag.String("root", "", "a tree that stands for the machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *dir, err = filepath.Abs(*dir); err == nil {
		switch flag.Arg(0) {
		case "enroll":
			err = enroll(ctx, *dir, flag.Arg(1))
		case "run":
			err = run(ctx, *dir, *root)
		default:
			err = errors.New("say enroll or run")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// enroll makes this machine an agent, once. The token comes from standard
// input, since other users can see arguments.
func enroll(ctx context.Context, dir, relay string) error {
	const most = 64 << 10 // bytes of a token
	token, err := io.ReadAll(io.LimitReader(os.Stdin, most))
	if err != nil {
		return err
	}
	id, err := agent.Enroll(ctx, agent.EnrollOptions{Dir: dir, Relays: []string{relay}, Token: string(token)})
	if err != nil {
		return err
	}
	fmt.Println("enrolled as agent", id)
	return nil
}

// run answers until it is stopped. The catalogue is all that sets this agent
// apart from quaestor-agent.
func run(ctx context.Context, dir, root string) error {
	cat, err := modules.NewCatalogue(append(std.Modules(), tmpfile.New())...)
	if err != nil {
		return err
	}
	a, err := agent.Open(agent.Options{
		Dir: dir, Catalogue: cat, Host: modules.Host{Root: root},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Software: "0.1.0",
	})
	if err != nil {
		return err
	}
	return errors.Join(agent.RunService(ctx, a.Run), a.Close())
}
