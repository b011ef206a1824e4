package pretend

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// WithFacts gives a module whose rows have other values in some columns, by
// name: the module host, of which a text says a part.
func WithFacts(m modules.Module, facts map[string]value.Value) (modules.Module, error) {
	known := map[int]value.Value{}
	for name, v := range facts {
		i, ok := m.Schema().Column(name)
		if !ok {
			return nil, &UnknownColumn{Module: m.Schema().Name, Column: name}
		}
		known[i] = v
	}
	return &overlay{Module: m, column: func(_ context.Context, _ modules.Row, i int) (value.Value, bool, error) {
		v, ok := known[i]
		return v, ok, nil
	}}, nil
}

// An overlay is a module of which some columns say something else.
type overlay struct {
	modules.Module
	// column gives a column of a row, and whether it says something else.
	column func(ctx context.Context, row modules.Row, i int) (value.Value, bool, error)
}

// Scan implements modules.Module.
func (o *overlay) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	return o.Module.Scan(ctx, req, func(row modules.Row) error { return yield(o.over(row)) })
}

// over gives a row that can do what the module's can.
func (o *overlay) over(row modules.Row) modules.Row {
	plain := overRow{Row: row, overlay: o}
	if liner, ok := row.(modules.Liner); ok {
		return overLiner{overRow: plain, liner: liner}
	}
	return plain
}

type overRow struct {
	modules.Row
	overlay *overlay
}

// Column implements modules.Row.
func (r overRow) Column(ctx context.Context, i int) (value.Value, error) {
	if v, other, err := r.overlay.column(ctx, r.Row, i); other || err != nil {
		return v, err
	}
	return r.Row.Column(ctx, i)
}

type overLiner struct {
	overRow
	liner modules.Liner
}

// Ask implements modules.Asker.
func (r overLiner) Ask(ctx context.Context, q int) (value.Value, error) { return r.liner.Ask(ctx, q) }

// Lines implements modules.Liner.
func (r overLiner) Lines(ctx context.Context, yield func(modules.Row) error) error {
	return r.liner.Lines(ctx, func(row modules.Row) error { return yield(r.overlay.over(row)) })
}

// WithOwners gives a module file whose files belong to whom the tree says, and
// to root where it says nothing, whoever made them: only root may give files
// away, and tests are not to depend on who runs them.
func WithOwners(file modules.Module, t *Tree) modules.Module {
	s := file.Schema()
	own := &owners{path: -1, uid: -1, gid: -1, kinds: map[int]string{}}
	for i, c := range s.Columns {
		switch c.Name {
		case "path":
			own.path = i
		case "uid":
			own.uid = i
		case "gid":
			own.gid = i
		}
		if slices.Contains([]string{"uid", "gid", "owner", "group"}, c.Name) {
			own.kinds[i] = c.Name
		}
	}
	own.users, own.groups = t.namesIn("etc/passwd"), t.namesIn("etc/group")
	own.ids, own.links = map[string][2]int{}, map[string]string{}
	for _, l := range t.lines {
		uid, gid, _ := l.owner() // what is wrong is said when the tree is built
		own.ids[l.path] = [2]int{max(uid, 0), max(gid, 0)}
		if to, ok := l.set["link"]; ok {
			own.links[l.path] = to
		}
	}
	return &overlay{Module: file, column: own.column}
}

type owners struct {
	path, uid, gid int            // indexes of the columns; -1: there is none
	kinds          map[int]string // of the columns that say whose a file is
	ids            map[string][2]int
	links          map[string]string // where links lead
	users, groups  map[int]string
}

func (o *owners) column(ctx context.Context, row modules.Row, i int) (value.Value, bool, error) {
	kind, ours := o.kinds[i]
	if !ours || o.path < 0 || o.uid < 0 || o.gid < 0 {
		return value.Value{}, false, nil
	}
	uid, gid, err := o.of(ctx, row)
	if err != nil {
		return value.Value{}, false, err
	}
	switch kind {
	case "uid":
		return uid, true, nil
	case "gid":
		return gid, true, nil
	case "owner":
		return nameOf(o.users, uid), true, nil
	}
	return nameOf(o.groups, gid), true, nil
}

// of gives the numbers of a row's owners. A member of an archive says its own.
func (o *owners) of(ctx context.Context, row modules.Row) (uid, gid value.Value, err error) {
	at, err := row.Column(ctx, o.path)
	if err != nil {
		return uid, gid, err
	}
	if strings.Contains(at.Text(), "!/") {
		if uid, err = row.Column(ctx, o.uid); err == nil {
			gid, err = row.Column(ctx, o.gid)
		}
		return uid, gid, err
	}
	ids := o.ids[o.real(at.Text())]
	return value.NewInt(int64(ids[0])), value.NewInt(int64(ids[1])), nil
}

// nameOf gives the name of a number. Root is known where no file says it.
func nameOf(names map[int]string, id value.Value) value.Value {
	if id.IsNull() {
		return id
	}
	if name, ok := names[int(id.Int())]; ok {
		return value.NewText(name)
	}
	if id.Int() == 0 {
		return value.NewText("root")
	}
	return value.Value{}
}

// maxHops is how many links a path may pass.
const maxHops = 40

// real gives the path, without its slash in front, with the links of the tree
// followed that lie before its last part.
func (o *owners) real(p string) string {
	done, rest := "", strings.TrimPrefix(path.Clean("/"+p), "/")
	for hops := 0; ; {
		name, more, deeper := strings.Cut(rest, "/")
		at := path.Join(done, name)
		to, link := o.links[at]
		if link {
			hops++
		}
		switch {
		case !deeper:
			return at
		case !link || hops > maxHops:
			done, rest = at, more
		case path.IsAbs(to):
			done, rest = "", strings.TrimPrefix(path.Join(to, more), "/")
		default:
			done, rest = "", strings.TrimPrefix(path.Join("/", done, to, more), "/")
		}
	}
}

// namesIn reads name:x:number: lines of a file of the tree.
func (t *Tree) namesIn(file string) map[int]string {
	names := map[int]string{}
	for line := range strings.Lines(string(t.Files[file])) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 4)
		if len(parts) < 3 {
			continue
		}
		id, err := strconv.Atoi(parts[2])
		if _, had := names[id]; err == nil && !had {
			names[id] = parts[0]
		}
	}
	return names
}
