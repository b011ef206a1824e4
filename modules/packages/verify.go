package packages

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A finding is one way in which a file is not what its package says.
type finding struct {
	*packed
	problem         string
	expected, found string
}

func verifyModule() modules.Module {
	return table.New(modules.Schema{
		Name: "verify",
		Doc:  "Files that are not as their packages brought them: gone, or of other content, mode or owner. It reads every file that it checks.",
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "path", Example: "/usr/sbin/*",
			Doc: "A glob of absolute paths, by whichever of the names that a merged /usr gives them.",
		},
	}, []table.Column[finding]{
		table.Text("path", "The file.", func(x *finding) string { return x.path }).Shown().To("file"),
		table.Text("package", "The id of the package that brought it.", func(x *finding) string { return x.pkg }).Shown().To("package"),
		table.Text("problem", "What is not as it was: missing, digest, size, mode, owner, or unreadable where it could not be compared.",
			func(x *finding) string { return x.problem }).Shown().OneOf("missing", "digest", "size", "mode", "owner", "unreadable"),
		table.Text("expected", "What the package says.", func(x *finding) string { return x.expected }).Shown(),
		table.Text("found", "What is there, or why it could not be read.", func(x *finding) string { return x.found }).Shown(),
		table.Bool("config", "Whether it holds settings that people are meant to change.", func(x *finding) bool { return x.config }).Shown(),
		table.Text("manager", "Whose database lists it.", func(x *finding) string { return x.manager }).OneOf("dpkg", "apk", "pacman", "rpm"),
	}, listFindings).By()
}

func listFindings(s *table.Scan, yield func(*finding) error) error {
	if unknownSystem(s.FS) {
		s.Skip(modules.SkipUnsupported, "verify", elsewhere)
		return nil
	}
	want, err := pathGlobs(s.FS, s.Locators)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	v := newVerifier(s.Context(), s.FS, yield)
	if err := eachPacked(&crate{FS: s.FS, ctx: s.Context(), details: true, want: want, yield: v.check}, func(manager string) bool { return s.Wanted("manager", manager) }); err != nil {
		return err
	}
	if v.ownerless {
		s.Skip(modules.SkipUnsupported, "verify", "this system does not say who owns a file")
	}
	return nil
}

// A verifier compares files with what is said of them.
type verifier struct {
	*hostfs.FS
	ctx           context.Context
	users, groups map[uint32]string
	buf           []byte
	yield         func(*finding) error
	ownerless     bool // an owner was to be compared that the system did not tell
}

// verifyChunk is how much of a file is read at a time.
const verifyChunk = 256 << 10

func newVerifier(ctx context.Context, f *hostfs.FS, yield func(*finding) error) *verifier {
	v := &verifier{FS: f, ctx: ctx, users: map[uint32]string{}, groups: map[uint32]string{}, buf: make([]byte, verifyChunk), yield: yield}
	for _, u := range account.Users(f) {
		if _, ok := v.users[uint32(u.UID)]; !ok {
			v.users[uint32(u.UID)] = u.Name
		}
	}
	text, _ := f.Get("/etc/group")
	for _, line := range table.Lines(text) {
		p := strings.Split(line, ":") // what is no group is named by module group
		if gid, err := strconv.ParseUint(p[min(2, len(p)-1)], 10, 32); err == nil && v.groups[uint32(gid)] == "" {
			v.groups[uint32(gid)] = p[0]
		}
	}
	// A tree without these files has a root all the same, as rpm sees it too.
	for _, names := range []map[uint32]string{v.users, v.groups} {
		if names[0] == "" {
			names[0] = "root"
		}
	}
	return v
}

// check compares one file and tells each thing that differs.
func (v *verifier) check(x *packed) error {
	st, err := v.Lstat(x.path)
	if err != nil {
		return v.cannot(x, err)
	}
	if x.owned {
		if err := v.checkOwner(x, st); err != nil {
			return err
		}
	}
	if x.size >= 0 && st.Mode().IsRegular() && st.Size() != x.size {
		if err := v.tell(x, "size", strconv.FormatInt(x.size, 10), strconv.FormatInt(st.Size(), 10)); err != nil {
			return err
		}
	}
	if x.algorithm == "" {
		return nil
	}
	sum, err := v.digest(x, st)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, hostfs.ErrSpecial):
		return v.tell(x, "digest", hex.EncodeToString(x.digest), hostfs.ErrSpecial.Error())
	case err != nil:
		return v.cannot(x, err)
	case string(sum) != string(x.digest):
		return v.tell(x, "digest", hex.EncodeToString(x.digest), hex.EncodeToString(sum))
	}
	return nil
}

func (v *verifier) tell(x *packed, problem, expected, found string) error {
	return v.yield(&finding{x, problem, expected, found})
}

// cannot tells of a file that is not there, or one that could not be read,
// which the report names too.
func (v *verifier) cannot(x *packed, err error) error {
	switch skip := hostfs.SkipOf(x.path, err); {
	case skip.Kind != modules.SkipVanished:
		v.Fail(x.path, err)
		return v.tell(x, "unreadable", hex.EncodeToString(x.digest), skip.Detail)
	case x.optional:
		return nil
	}
	return v.tell(x, "missing", hex.EncodeToString(x.digest), "")
}

// checkOwner compares mode and owner. The mode of a link says nothing.
func (v *verifier) checkOwner(x *packed, st fs.FileInfo) error {
	if mode := modeOf(st.Mode()); mode != x.mode && st.Mode().Type() != fs.ModeSymlink {
		if err := v.tell(x, "mode", fmt.Sprintf("%04o", x.mode), fmt.Sprintf("%04o", mode)); err != nil {
			return err
		}
	}
	uid, gid, ok := ownerOf(st)
	if !ok {
		v.ownerless = true
		return nil
	}
	expected := fmt.Sprintf("%d:%d", x.uid, x.gid)
	found := fmt.Sprintf("%d:%d", uid, gid)
	if x.user != "" {
		expected = x.user + ":" + x.group
		found = named(x.user, v.users, uid) + ":" + named(x.group, v.groups, gid)
	}
	if expected == found {
		return nil
	}
	return v.tell(x, "owner", expected, found)
}

// named gives a number in the form in which the other is written: as a name,
// or after # where that is, or where it has none.
func named(like string, names map[uint32]string, id uint32) string {
	if name := names[id]; name != "" && !strings.HasPrefix(like, "#") {
		return name
	}
	return "#" + strconv.FormatUint(uint64(id), 10)
}

// modeOf gives the twelve bits of a mode that chmod sets.
func modeOf(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&flag != 0 {
			mode |= bit
		}
	}
	return mode
}

// digest computes what the package has of a file's content; of a link, apk
// has that of its text.
func (v *verifier) digest(x *packed, st fs.FileInfo) ([]byte, error) {
	h, ok := hasher(x.algorithm)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	if x.manager == "apk" && st.Mode().Type() == fs.ModeSymlink {
		to, err := v.Readlink(x.path)
		h.Write([]byte(to))
		return h.Sum(nil), err
	}
	file, err := v.Open(x.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for {
		if err := v.ctx.Err(); err != nil {
			return nil, err
		}
		n, err := file.Read(v.buf)
		h.Write(v.buf[:n])
		if err == io.EOF {
			return h.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// hasher knows the algorithms of package_file.
func hasher(algorithm string) (hash.Hash, bool) {
	switch algorithm {
	case "md5":
		return md5.New(), true
	case "sha1":
		return sha1.New(), true
	case "sha256":
		return sha256.New(), true
	case "sha512":
		return sha512.New(), true
	}
	return nil, false
}
