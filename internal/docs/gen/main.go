// Command gen writes the printed parts of the docs. It is run at the root of
// the repository: go run ./internal/docs/gen
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/quaestor-engine/quaestor/internal/docs"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// write writes the products that differ, and names them.
func write(root string) error {
	products, err := docs.Products(root)
	if err != nil {
		return err
	}
	for _, p := range products {
		name := filepath.Join(root, filepath.FromSlash(p.Path))
		if old, err := os.ReadFile(name); err == nil && string(old) == p.Text {
			continue
		}
		if err := os.WriteFile(name, []byte(p.Text), 0o644); err != nil {
			return err
		}
		fmt.Println(p.Path)
	}
	return nil
}
