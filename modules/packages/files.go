package packages

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A packed is a file, folder or link that a package brought, and what the
// package says of it.
type packed struct {
	manager, pkg string // pkg is the id
	path         string
	algorithm    string // of digest; "" where there is none
	digest       []byte
	config       bool // a file of settings, which people are to change
	optional     bool // it may be missing: made later, or left by a package that is removed
	owned        bool // mode, and either uid and gid or user and group, are known
	mode         uint32
	uid, gid     int64
	user, group  string
	size         int64 // below zero where it is not known
}

// says keeps a digest in hexadecimal digits, if it is one of that algorithm.
func (x *packed) says(algorithm, sum string) bool {
	h, ok := hasher(algorithm)
	b := unhex(sum)
	if !ok || len(b) != h.Size() {
		return false
	}
	x.algorithm, x.digest = algorithm, b
	return true
}

// A crate is what a listing of packed files needs.
type crate struct {
	*hostfs.FS
	ctx     context.Context
	details bool // also what a package says of its files
	want    func(path string) bool
	yield   func(*packed) error
}

// wants says whether a path is one of those asked for.
func (c *crate) wants(path string) bool { return c.want == nil || c.want(path) }

// give hands a file on if it is wanted.
func (c *crate) give(x *packed) error {
	if !c.wants(x.path) {
		return c.ctx.Err()
	}
	return c.yield(x)
}

// A packer lists the files of one manager's packages.
type packer struct {
	manager string
	list    func(*crate) error
}

// packers are the managers that keep a list of files; dpkg is the first.
func packers() []packer {
	return []packer{{"dpkg", dpkgPacked}, {"apk", apkPacked}, {"pacman", pacmanPacked}, {"rpm", rpmPacked}}
}

// eachPacked lists the files of all packages of the managers that are wanted.
func eachPacked(c *crate, wanted func(manager string) bool) error {
	for _, p := range packers() {
		if !wanted(p.manager) {
			continue
		}
		if err := p.list(c); err != nil {
			return err
		}
	}
	return nil
}

func packageFileModule() modules.Module {
	return table.New(modules.Schema{
		Name: "package_file",
		Doc:  "Files, folders and links that packages brought, as the managers' databases list them.",
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "path", Example: "/usr/bin/*",
			Doc: "a glob of absolute paths, by whichever of the names that a merged /usr gives them",
		},
	}, []table.Column[packed]{
		table.Text("path", "Where it is, after dpkg's diversions.", func(x *packed) string { return x.path }).Shown().To("file"),
		table.Text("package", "The id of the package.", func(x *packed) string { return x.pkg }).Shown().To("package"),
		table.Text("manager", "Whose database lists it.", func(x *packed) string { return x.manager }).Shown().OneOf("dpkg", "apk", "pacman", "rpm"),
		table.Value("digest", value.Hash, "The digest of its content as it was packed.", func(x *packed) value.Value {
			if x.algorithm == "" {
				return value.Value{}
			}
			return value.NewHash(x.digest)
		}).Shown().Costs(modules.Read),
		table.Text("algorithm", "The algorithm of the digest.", func(x *packed) string { return x.algorithm }).Costs(modules.Read).
			OneOf("md5", "sha1", "sha256", "sha512"),
		table.Bool("config", "Whether it holds settings that people are meant to change.", func(x *packed) bool { return x.config }).Costs(modules.Read),
		table.Value("mode", value.Mode, "The permissions that it was packed with, where the manager keeps them.", func(x *packed) value.Value {
			if !x.owned {
				return value.Value{}
			}
			return value.NewMode(x.mode)
		}).Costs(modules.Read),
	}, listPacked).By()
}

func listPacked(s *table.Scan, yield func(*packed) error) error {
	if unknownSystem(s.FS) {
		s.Skip(modules.SkipUnsupported, "package_file", elsewhere)
		return nil
	}
	want, err := pathGlobs(s.FS, s.Locators)
	if err != nil {
		return fmt.Errorf("package_file: %w", err)
	}
	return eachPacked(&crate{
		FS: s.FS, ctx: s.Context(), details: s.Wants("digest", "algorithm", "config", "mode"), want: want, yield: yield,
	}, func(manager string) bool { return s.Wanted("manager", manager) })
}

// pathGlobs gives what matches paths by any of their names; without globs it
// is nil.
func pathGlobs(f *hostfs.FS, patterns []string) (func(string) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	a := aliasesOf(f)
	var as []string
	for _, p := range patterns {
		if as = append(as, p); a.short(p) != p {
			as = append(as, a.short(p))
		}
	}
	match, err := table.Globs(as)
	if err != nil {
		return nil, err
	}
	return func(path string) bool { return match(path) || match(a.short(path)) }, nil
}

// aliases are folders that a merged /usr made links: /bin is /usr/bin, while
// packages may list what is there by either name.
type aliases struct {
	merged []string    // names of folders in / that are links to those in /usr: bin, lib
	other  [][2]string // further links, with where they lead: /sbin to /usr/bin
}

func aliasesOf(f *hostfs.FS) aliases {
	var a aliases
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin"} {
		st, err := f.Lstat(dir)
		if err != nil || st.IsDir() {
			continue
		}
		real, err := f.Real(dir)
		switch {
		case err != nil:
			f.Fail(dir, err)
		case real == "/usr"+dir:
			a.merged = append(a.merged, dir[1:])
		case real != dir:
			a.other = append(a.other, [2]string{dir, path.Clean(real)})
		}
	}
	return a
}

// short gives the shortest of a path's names, which is one for all of them.
func (a *aliases) short(p string) string {
	for _, o := range a.other {
		if rest, ok := strings.CutPrefix(p, o[0]); ok && (rest == "" || rest[0] == '/') {
			p = o[1] + rest
			break
		}
	}
	rest, ok := strings.CutPrefix(p, "/usr/")
	if !ok {
		return p
	}
	for _, dir := range a.merged {
		if below, ok := strings.CutPrefix(rest, dir); ok && (below == "" || below[0] == '/') {
			return p[len("/usr"):]
		}
	}
	return p
}
