// Command sql asks through database/sql:
//
//	go run ./docs/examples/library/sql /etc
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/sqldriver"
)

func main() {
	if err := largest(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func largest(ctx context.Context, dir string) error {
	here, err := quaestor.LocalWith(quaestor.Options{Root: dir})
	if err != nil {
		return err
	}
	defer here.Close()
	db := sql.OpenDB(sqldriver.New(here))
	defer db.Close()
	rows, err := db.QueryContext(ctx, `FIND file /** WHERE type = file RETURN path, size ORDER BY size DESC LIMIT 2`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var path string
		var size int64
		if err := rows.Scan(&path, &size); err != nil {
			return err
		}
		fmt.Println(path, size)
	}
	// An answer that is not whole ends with an error, so that what is missing
	// does not pass as what is not there.
	if partial := (*sqldriver.Incomplete)(nil); errors.As(rows.Err(), &partial) {
		fmt.Println("not everything could be looked at:", partial.Summary.Reason)
		return nil
	}
	return rows.Err()
}
