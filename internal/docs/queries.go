package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
)

// Queries prints the list of the queries that come along, by folder.
func Queries(root string) (string, error) {
	var b strings.Builder
	b.WriteString("# Queries\n\n" + printed +
		"What responders look for, ready to be asked: `quaestor run queries/process/*.qst` asks the fleet, with `--local` this machine, with `--local --root DIR` a mounted image. " +
		"Each has its tests beside it, on hosts that are pretended (`quaestor test queries`): what was planted is found, and nothing else. " +
		"Lists of what is known, such as `files/known-setuid.txt`, are a beginning: make them yours.\n\n" +
		"`mig` holds the actions that Mozilla shipped with MIG, and the questions of its documentation.\n")
	folder := ""
	err := filepath.WalkDir(filepath.Join(root, "queries"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".qst" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := lang.Parse(lang.Source{Name: name, Text: string(text)})
		if err != nil {
			return err
		}
		if len(file.Queries) != 1 {
			return fmt.Errorf("%s: %d queries, and one is wanted", name, len(file.Queries))
		}
		h := file.Queries[0].Header
		if slices.Contains([]string{h.Name, h.Description, h.Reference, h.Severity}, "") {
			return fmt.Errorf("%s: a name, a description, a reference and a severity are wanted", name)
		}
		if in := filepath.Base(filepath.Dir(name)); in != folder {
			folder = in
			fmt.Fprintf(&b, "\n## %s\n\n| query | severity | what it finds |\n|---|---|---|\n", folder)
		}
		base := filepath.Base(name)
		fmt.Fprintf(&b, "| [%s](%s/%s) | %s | %s |\n", strings.TrimSuffix(base, ".qst"), folder, base, h.Severity, cell(h.Description))
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("the folder of queries is not there: %w", err)
	}
	return b.String(), err
}
