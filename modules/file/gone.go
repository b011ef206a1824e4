package file

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A goneRow is something that is there no more: it has a path, and all else is
// null. Where something else decides whether it is wanted, nobody can tell any
// more, which is reported.
type goneRow struct {
	path string
	req  *modules.Request
	told bool
}

// Column gives the path and its parts.
func (r *goneRow) Column(_ context.Context, i int) (value.Value, error) {
	name := filepath.Base(r.path)
	switch i {
	case colPath:
		return value.NewText(r.path), nil
	case colName:
		return value.NewText(name), nil
	case colDir:
		return value.NewText(filepath.Dir(r.path)), nil
	case colExtension:
		if dot := strings.LastIndexByte(name, '.'); dot > 0 && dot < len(name)-1 {
			return value.NewText(name[dot+1:]), nil
		}
		return value.Value{}, nil
	}
	if slices.Contains(r.req.Filter, i) {
		r.tell()
	}
	return value.Value{}, nil
}

// Ask has no content to ask.
func (r *goneRow) Ask(context.Context, int) (value.Value, error) {
	r.tell()
	return value.Value{}, nil
}

func (r *goneRow) tell() {
	if !r.told {
		r.told = true
		r.req.Report.Skip(modules.Skip{Kind: modules.SkipVanished, Where: r.path, Detail: "it changed, and was gone before it could be looked at"})
	}
}
