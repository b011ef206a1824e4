// Command ask asks this machine, or a tree that stands for one, with the module
// tmpfile beside those that come with Quaestor; and with a key, the fleet that
// quaestor setup knows:
//
//	go run ./cmd/ask -root /mnt 'FIND tmpfile /etc/**'
//	go run ./cmd/ask -key key.asc 'FROM fleet FIND tmpfile /etc/**'
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/quaestor-tmpfile"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/signing"
)

func main() {
	root := flag.String("root", "", "a tree that stands for the machine")
	key := flag.String("key", "", "the file of a key that may ask the fleet")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ask(ctx, *root, *key, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(ctx context.Context, root, key, query string) error {
	here, err := quaestor.LocalWith(quaestor.Options{Root: root, Modules: append(std.Modules(), tmpfile.New())})
	if err != nil {
		return err
	}
	defer here.Close()
	session := quaestor.Session(here)
	if key != "" {
		fleet, err := dial(ctx, here, key)
		if err != nil {
			return err
		}
		defer fleet.Close()
		session = fleet
	}
	rows, err := session.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		var cells []string
		for _, v := range row.Values() {
			if v.IsNull() {
				cells = append(cells, "null")
				continue
			}
			cells = append(cells, v.String())
		}
		fmt.Println(strings.Join(cells, " | "))
	}
	account(rows)
	return nil
}

// account says how far the answer can be trusted to be all there is.
func account(rows *quaestor.Rows) {
	sum := rows.Summary()
	fmt.Println(sum.Outcome)
	for _, kind := range sum.Skipped {
		for _, skip := range kind.First {
			fmt.Printf("not looked at: %s (%s)\n", skip.Where, skip.Detail)
		}
	}
	if c, ok := rows.Coverage(); ok {
		fmt.Printf("%d of %d agents answered\n", c.Answered(), c.Targeted())
	}
}

// dial gives a session that asks the fleet. It knows from the local one what
// can be asked about; whether an agent has the module is for the agent to say.
func dial(ctx context.Context, here *quaestor.LocalSession, file string) (*client.Session, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := signing.ReadPrivateKey(text)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, "", client.WithKey(key), client.WithLocal(here))
}
