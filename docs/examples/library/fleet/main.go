// Command fleet asks every agent what it runs on, with the relay that
// quaestor setup keeps in the home, and the key in a file:
//
//	go run ./docs/examples/library/fleet key.asc
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ask(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(ctx context.Context, keyFile string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := signing.ReadPrivateKey(text)
	if err != nil {
		return err
	}
	fleet, err := client.Dial(ctx, "", client.WithKey(key))
	if err != nil {
		return err
	}
	defer fleet.Close()
	rows, err := fleet.Query(ctx, `FROM fleet WHERE os = linux FIND host RETURN hostname, distro, version ORDER BY hostname`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		fmt.Println(row.String("hostname"), row.String("distro"), row.String("version"))
	}
	// Who did not answer is part of the answer.
	coverage, _ := rows.Coverage()
	fmt.Printf("%d of %d agents answered\n", coverage.Answered(), coverage.Targeted())
	return nil
}
