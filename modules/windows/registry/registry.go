// Package registry is the Windows registry of a host: that of the live
// machine through its own interface, or of a tree, from the hives in it.
//
// [Open] gives a [Registry]. [Registry.Key] finds a key by its path, such as
// HKLM\SOFTWARE\Microsoft, in any case; [Registry.Users] gives the hives of
// the people who have a profile. On the live machine, the hives of those who
// are not logged in are read from their files. The package says what is there
// and decides nothing. It never writes.
package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/windows/regf"
)

// errDirty says that a hive does not hold what was last written to it.
var errDirty = fmt.Errorf("%w: no transaction log says what was to be written, and what is read may be old", hostfs.ErrChanged)

// A Registry is that of a host. It is for one goroutine.
type Registry struct {
	fs     *hostfs.FS
	hives  map[string]*Hive // by file
	users  []User
	listed bool
	failed map[string]bool // what was reported
}

// A Hive is where keys are kept.
type Hive struct {
	// Path is its file as the host has it; "" for what the live machine holds.
	Path string
	// User is whose it is, as the folder of the profile is called; "" for a
	// hive of the machine.
	User string

	root node
	err  error
}

// A Key is a key of the registry.
type Key struct {
	// Path is the whole path: HKLM\SOFTWARE\Microsoft.
	Path string
	Hive *Hive

	reg *Registry
	n   node
}

// A node is a key as a hive has it.
type node interface {
	name() string
	modified() time.Time
	subkeys() iter.Seq2[node, error]
	values() iter.Seq2[Value, error]
	// child gives nil where there is no such key.
	child(name string) (node, error)
}

// Open opens the registry of a host. What cannot be read of it goes to the
// report of the files, each once.
func Open(f *hostfs.FS) *Registry {
	return &Registry{fs: f, hives: map[string]*Hive{}, failed: map[string]bool{}}
}

// Close lets go of the files.
func (r *Registry) Close() {
	for _, h := range r.hives {
		if n, ok := h.root.(fileNode); ok {
			n.file.Close()
		}
	}
}

// fail reports what could not be read, once.
func (r *Registry) fail(where string, err error) {
	id := where + err.Error()
	if r.failed[id] {
		return
	}
	r.failed[id] = true
	r.fs.Fail(where, err)
}

// There says whether the host has a registry. On a live machine of another
// system there is none; of a tree, what it holds decides.
func (r *Registry) There() bool {
	if r.fs.Live() {
		return live
	}
	dir, _ := r.fs.Windows("/Windows/System32/config")
	return r.fs.Exists(dir)
}

// The system's hives, by the key in HKLM at which each is found.
func systemHives() map[string]string {
	const config = "/Windows/System32/config/"
	return map[string]string{
		"SYSTEM": config + "SYSTEM", "SOFTWARE": config + "SOFTWARE", "SAM": config + "SAM", "SECURITY": config + "SECURITY",
		"COMPONENTS": config + "COMPONENTS", "DRIVERS": config + "DRIVERS", "BCD00000000": "/Boot/BCD",
	}
}

// hiveNames are those of systemHives, in the order in which they are listed.
func hiveNames() []string {
	return []string{"BCD00000000", "COMPONENTS", "DRIVERS", "SAM", "SECURITY", "SOFTWARE", "SYSTEM"}
}

// hive opens a hive of a tree; nil where there is none, or where it could not
// be read, which has then been reported.
func (r *Registry) hive(name, user string) *Hive {
	name, _ = r.fs.Windows(name)
	if h, ok := r.hives[name]; ok {
		if h.err != nil {
			return nil
		}
		return h
	}
	h := &Hive{Path: name, User: user}
	r.hives[name] = h
	if h.err = r.load(h); h.err != nil {
		if !errors.Is(h.err, fs.ErrNotExist) {
			r.fail(name, h.err)
		}
		return nil
	}
	return h
}

func (r *Registry) load(h *Hive) error {
	f, err := r.fs.Open(h.Path)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	opened, err := regf.Open(f, st.Size(), r.logs(h.Path)...)
	if err == nil && opened.Dirty {
		r.fail(h.Path, errDirty)
	}
	var root *regf.Key
	if err == nil {
		root, err = opened.Root()
	}
	if err != nil {
		f.Close()
		return err
	}
	h.root = fileNode{root, f}
	return nil
}

// logs reads the transaction logs that stand beside a hive.
func (r *Registry) logs(hive string) [][]byte {
	var list [][]byte
	for _, end := range [...]string{".LOG", ".LOG1", ".LOG2"} {
		name, _ := r.fs.Windows(hive + end)
		b, err := r.fs.Append(nil, name, regf.MaxLog)
		if err == nil {
			list = append(list, b)
		} else if !errors.Is(err, fs.ErrNotExist) {
			r.fail(name, err)
		}
	}
	return list
}

// fileNode is a key in a file.
type fileNode struct {
	*regf.Key
	file *os.File
}

func (n fileNode) name() string        { return n.Key.Name }
func (n fileNode) modified() time.Time { return n.Key.Modified }

func (n fileNode) subkeys() iter.Seq2[node, error] {
	return func(yield func(node, error) bool) {
		for k, err := range n.Key.Subkeys() {
			if !yield(fileNode{k, n.file}, err) {
				return
			}
		}
	}
}

func (n fileNode) values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for v, err := range n.Key.Values() {
			if err != nil {
				if !yield(Value{}, err) {
					return
				}
				continue
			}
			if !yield(Value{Name: v.Name, Type: v.Type, read: v.Data}, nil) {
				return
			}
		}
	}
}

func (n fileNode) child(name string) (node, error) {
	k, err := n.Key.Subkey(name)
	if k == nil {
		return nil, err
	}
	return fileNode{k, n.file}, nil
}

// Name gives the last part of a key's path.
func (k *Key) Name() string { return k.Path[strings.LastIndexByte(k.Path, '\\')+1:] }

// Modified is when a value of the key, or a key in it, was last changed.
func (k *Key) Modified() time.Time {
	if k.n == nil {
		return time.Time{}
	}
	return k.n.modified()
}

// where says of what a report speaks.
func (k *Key) where(err error) string {
	if k.Hive != nil && k.Hive.Path != "" && errors.Is(err, regf.ErrMalformed) {
		return k.Hive.Path + " " + k.Path
	}
	return k.Path
}

// Subkeys gives the keys in a key. What could not be read is reported.
func (k *Key) Subkeys() iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		if k.n == nil {
			for _, sub := range k.reg.mounted(k, "") {
				if !yield(sub) {
					return
				}
			}
			return
		}
		for n, err := range k.n.subkeys() {
			if err != nil {
				k.reg.fail(k.where(err), err)
				continue
			}
			if !yield(&Key{Path: k.Path + `\` + n.name(), Hive: k.Hive, reg: k.reg, n: n}) {
				return
			}
		}
	}
}

// Values gives the values of a key. What could not be read is reported.
func (k *Key) Values() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if k.n == nil {
			return
		}
		for v, err := range k.n.values() {
			if err != nil {
				k.reg.fail(k.where(err), err)
				continue
			}
			if !yield(v) {
				return
			}
		}
	}
}

// Value gives the value of that name, in any case; false where there is none.
func (k *Key) Value(name string) (Value, bool) {
	for v := range k.Values() {
		if strings.EqualFold(v.Name, name) {
			return v, true
		}
	}
	return Value{}, false
}

// Text gives what a value says, "" where there is none, or none that could be
// read, which is reported.
func (k *Key) Text(name string) string {
	v, ok := k.Value(name)
	if !ok {
		return ""
	}
	text, err := v.Text()
	if err != nil {
		k.reg.fail(k.where(err)+`\`+name, err)
	}
	return text
}

// Int gives the number in a value.
func (k *Key) Int(name string) (int64, bool) {
	v, ok := k.Value(name)
	if !ok {
		return 0, false
	}
	n, ok, err := v.Int()
	if err != nil {
		k.reg.fail(k.where(err)+`\`+name, err)
	}
	return n, ok
}

// Bytes gives the bytes of a value.
func (k *Key) Bytes(name string) ([]byte, bool) {
	v, ok := k.Value(name)
	if !ok {
		return nil, false
	}
	b, err := v.Data()
	if err != nil {
		k.reg.fail(k.where(err)+`\`+name, err)
	}
	return b, err == nil
}

// Sub gives a key below a key by its path; nil where there is none.
func (k *Key) Sub(path string) *Key {
	for path != "" {
		var part string
		part, path, _ = strings.Cut(path, `\`)
		if part == "" {
			continue
		}
		if k = k.child(part); k == nil {
			return nil
		}
	}
	return k
}

func (k *Key) child(name string) *Key {
	if k.n == nil {
		for _, sub := range k.reg.mounted(k, name) {
			return sub
		}
		return nil
	}
	if k.Path == system && strings.EqualFold(name, current) {
		return k.reg.control(k)
	}
	n, err := k.n.child(name)
	if err != nil && n == nil {
		k.reg.fail(k.where(err), fmt.Errorf("looking for %s: %w", name, err))
	}
	if n == nil {
		return nil
	}
	return &Key{Path: k.Path + `\` + n.name(), Hive: k.Hive, reg: k.reg, n: n}
}

const (
	system  = `HKLM\SYSTEM`
	current = "CurrentControlSet"
)

// control gives the control set with which the system was started, which a
// hive numbers in Select and a running system links.
func (r *Registry) control(k *Key) *Key {
	if k.Hive.Path == "" {
		if n, err := k.n.child(current); err == nil && n != nil {
			return &Key{Path: k.Path + `\` + current, Hive: k.Hive, reg: r, n: n}
		}
		return nil
	}
	sel := k.child("Select")
	if sel == nil {
		return nil
	}
	number, ok := sel.Int("Current")
	if !ok {
		return nil
	}
	set := k.child(fmt.Sprintf("ControlSet%03d", number))
	if set == nil {
		return nil
	}
	set.Path = k.Path + `\` + current
	return set
}

// Key gives a key by its whole path; nil where there is none. HKCU and HKCR
// are views of others, of which [Registry.Keys] gives each.
func (r *Registry) Key(path string) *Key {
	first, rest, _ := strings.Cut(path, `\`)
	for _, root := range [...]string{"HKLM", "HKU"} {
		if strings.EqualFold(first, root) {
			return (&Key{Path: root, reg: r}).Sub(rest)
		}
	}
	return nil
}

// Control gives a key of the control set with which the system was started.
func (r *Registry) Control(path string) *Key {
	return r.Key(system + `\` + current + `\` + path)
}

// Roots are the keys that are in none.
func (r *Registry) Roots() []*Key { return []*Key{{Path: "HKLM", reg: r}, {Path: "HKU", reg: r}} }
