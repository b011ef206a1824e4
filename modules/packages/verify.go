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
	"sync"
	"sync/atomic"

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
			Doc: "a glob of absolute paths, by whichever of the names that a merged /usr gives them",
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
	v := newVerifier(s.FS, yield)
	if err := v.spread(s.Context(), s.Workers, func(ctx context.Context, check func(*packed) error) error {
		return eachPacked(&crate{FS: s.FS, ctx: ctx, details: true, want: want, yield: check},
			func(manager string) bool { return s.Wanted("manager", manager) })
	}); err != nil {
		return err
	}
	if v.ownerless.Load() {
		s.Skip(modules.SkipUnsupported, "verify", "this system does not say who owns a file")
	}
	return nil
}

// A verifier compares files with what is said of them, several at a time.
type verifier struct {
	*hostfs.FS
	users, groups map[uint32]string
	mu            sync.Mutex // held while yield runs
	yield         func(*finding) error
	ownerless     atomic.Bool // an owner was to be compared that the system did not tell
}

// A checker is one of those who read at a time.
type checker struct {
	*verifier
	ctx context.Context
	buf []byte
}

// verifyChunk is how much of a file is read at a time.
const verifyChunk = 256 << 10

// spread has so many workers check what list gives. One that fails, or whose
// row is not wanted any more, ends it for all, and what it said is returned.
func (v *verifier) spread(ctx context.Context, workers int, list func(context.Context, func(*packed) error) error) error {
	if workers <= 1 {
		one := &checker{v, ctx, make([]byte, verifyChunk)}
		return list(ctx, one.check)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work := make(chan packed, workers) // the lister waits where all are busy; it closes it
	var crew sync.WaitGroup
	for range workers {
		crew.Go(func() {
			c := &checker{v, ctx, make([]byte, verifyChunk)}
			for x := range work {
				if ctx.Err() != nil {
					continue
				}
				if err := c.check(&x); err != nil {
					stop(err)
				}
			}
		})
	}
	err := list(ctx, func(x *packed) error {
		select {
		case work <- *x:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(work)
	crew.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func newVerifier(f *hostfs.FS, yield func(*finding) error) *verifier {
	v := &verifier{FS: f, users: map[uint32]string{}, groups: map[uint32]string{}, yield: yield}
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
func (c *checker) check(x *packed) error {
	st, err := c.Lstat(x.path)
	if err != nil {
		return c.cannot(x, err)
	}
	if x.owned {
		if err := c.checkOwner(x, st); err != nil {
			return err
		}
	}
	if x.size >= 0 && st.Mode().IsRegular() && st.Size() != x.size {
		if err := c.tell(x, "size", strconv.FormatInt(x.size, 10), strconv.FormatInt(st.Size(), 10)); err != nil {
			return err
		}
	}
	if x.algorithm == "" {
		return nil
	}
	sum, err := c.digest(x, st)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, hostfs.ErrSpecial):
		return c.tell(x, "digest", hex.EncodeToString(x.digest), hostfs.ErrSpecial.Error())
	case err != nil:
		return c.cannot(x, err)
	case string(sum) != string(x.digest):
		return c.tell(x, "digest", hex.EncodeToString(x.digest), hex.EncodeToString(sum))
	}
	return nil
}

func (c *checker) tell(x *packed, problem, expected, found string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx) // another one's row was the last that was wanted
	}
	return c.yield(&finding{x, problem, expected, found})
}

// cannot tells of a file that is not there, or one that could not be read,
// which the report names too.
func (c *checker) cannot(x *packed, err error) error {
	switch skip := hostfs.SkipOf(x.path, err); {
	case skip.Kind != modules.SkipVanished:
		c.Fail(x.path, err)
		return c.tell(x, "unreadable", hex.EncodeToString(x.digest), skip.Detail)
	case x.optional:
		return nil
	}
	return c.tell(x, "missing", hex.EncodeToString(x.digest), "")
}

// checkOwner compares mode and owner. The mode of a link says nothing.
func (c *checker) checkOwner(x *packed, st fs.FileInfo) error {
	if mode := modeOf(st.Mode()); mode != x.mode && st.Mode().Type() != fs.ModeSymlink {
		if err := c.tell(x, "mode", fmt.Sprintf("%04o", x.mode), fmt.Sprintf("%04o", mode)); err != nil {
			return err
		}
	}
	uid, gid, ok := ownerOf(st)
	if !ok {
		c.ownerless.Store(true)
		return nil
	}
	expected := fmt.Sprintf("%d:%d", x.uid, x.gid)
	found := fmt.Sprintf("%d:%d", uid, gid)
	if x.user != "" {
		expected = x.user + ":" + x.group
		found = named(x.user, c.users, uid) + ":" + named(x.group, c.groups, gid)
	}
	if expected == found {
		return nil
	}
	return c.tell(x, "owner", expected, found)
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
func (c *checker) digest(x *packed, st fs.FileInfo) ([]byte, error) {
	h, ok := hasher(x.algorithm)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	if x.manager == "apk" && st.Mode().Type() == fs.ModeSymlink {
		to, err := c.Readlink(x.path)
		h.Write([]byte(to))
		return h.Sum(nil), err
	}
	file, err := c.Open(x.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		n, err := file.Read(c.buf)
		h.Write(c.buf[:n])
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
