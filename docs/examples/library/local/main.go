// Command local looks for a text below a folder:
//
//	go run ./docs/examples/library/local /etc 127.0.0.1
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor"
)

// A hit is a row; its fields are columns.
type hit struct {
	Path string `quaestor:"path"`
	Line int64  `quaestor:"line_number"`
	Text string `quaestor:"line"`
}

func main() {
	if err := look(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func look(ctx context.Context, dir, text string) error {
	here, err := quaestor.LocalWith(quaestor.Options{Root: dir})
	if err != nil {
		return err
	}
	defer here.Close()
	rows, err := here.Query(ctx, `
		PARAM text text
		FIND file /** CONTAINS $text RETURN path, line_number, line ORDER BY path, line_number`,
		quaestor.Arg("text", text))
	if err != nil {
		return err
	}
	hits, sum, err := quaestor.Collect[hit](rows)
	if err != nil {
		return err
	}
	for _, h := range hits {
		fmt.Printf("%s:%d: %s\n", h.Path, h.Line, h.Text)
	}
	fmt.Println(len(hits), "hits,", sum.Outcome)
	return nil
}
