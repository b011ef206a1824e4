// Command packaging makes what people download: binaries for every system,
// archives, packages of Linux, lists of what is inside, licences, and the
// checksums of all of it. It is a Go module of its own, so that what it needs
// is not what Quaestor needs.
//
//	go -C packaging run . release -version 1.2.0 -out ../dist
//	go -C packaging run . licences -write
//
// Start with [release]. What it makes depends on the commit and the version of
// Go alone: whoever builds the same commit gets the same bytes. It uploads
// nothing, and holds no key: -sign names one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(1)
	}
}

const usage = "packaging release -version 1.2.0 [-out DIR] [-systems linux/amd64,…] [-sign KEY]\npackaging licences [-write]"

// run is the command line.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("what is to be made?\nhint: " + usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	root := flags.String("root", "..", "the repository")
	switch args[0] {
	case "licences":
		write := flags.Bool("write", false, "write "+thirdParty+" anew; without it, say whether it is stale")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return licences(ctx, *root, *write)
	case "release":
		r := &release{}
		flags.StringVar(&r.version, "version", "", "the version, as 1.2.0: the commit must have the tag v1.2.0, and nothing may be changed")
		flags.StringVar(&r.out, "out", "../dist", "where everything goes")
		systems := flags.String("systems", strings.Join(everySystem, ","), "for which systems")
		sign := flags.String("sign", "", "the file of an OpenPGP key to sign the checksums with; without it there is no signature")
		phrase := flags.String("passphrase-file", "", "the file that holds the passphrase of the key")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		r.systems = strings.Split(*systems, ",")
		var err error
		if r.root, err = filepath.Abs(*root); err != nil {
			return err
		}
		if r.out, err = filepath.Abs(r.out); err != nil {
			return err
		}
		if err := r.make(ctx, out); err != nil || *sign == "" {
			return err
		}
		return signFile(ctx, filepath.Join(r.out, sums), *sign, *phrase)
	}
	return fmt.Errorf("%q cannot be made\nhint: %s", args[0], usage)
}
