package registry

import (
	"errors"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/windows/registry"
)

// live says whether the live machine has a registry.
const live = true

// liveMounted gives the keys at the roots of the live machine, and the hives
// of those who are not logged in from their files.
func (r *Registry) liveMounted(k *Key, wanted func(string) bool) []*Key {
	root := liveNode{root: registry.LOCAL_MACHINE}
	if k.Path == "HKU" {
		root.root = registry.USERS
	}
	var list []*Key
	var loaded []string
	for n, err := range root.subkeys() {
		if err != nil {
			r.fail(k.Path, err)
			continue
		}
		loaded = append(loaded, n.name())
		if !wanted(n.name()) {
			continue
		}
		h := &Hive{root: n}
		if k.Path == "HKU" {
			h.User = r.liveUser(strings.TrimSuffix(n.name(), "_Classes"))
		}
		list = append(list, &Key{Path: k.Path + `\` + n.name(), Hive: h, reg: r, n: n})
	}
	if k.Path != "HKU" {
		return list
	}
	return r.profiles(list, wanted, func(u User) bool { return !slices.Contains(loaded, u.SID) })
}

// liveUser names the user whose hive is loaded.
func (r *Registry) liveUser(sid string) string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, strings.TrimPrefix(profileList, `HKLM\`)+`\`+sid, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer k.Close()
	home, _, err := k.GetStringValue("ProfileImagePath")
	if err != nil {
		return ""
	}
	return path.Base(strings.ReplaceAll(home, `\`, "/"))
}

// A liveNode is a key of the live machine. It is opened for each look, so that
// nothing is held.
type liveNode struct {
	root registry.Key
	path string
}

func (n liveNode) open(access uint32) (registry.Key, error) {
	return registry.OpenKey(n.root, n.path, access|registry.WOW64_64KEY)
}

func (n liveNode) name() string { return n.path[strings.LastIndexByte(n.path, '\\')+1:] }

func (n liveNode) modified() time.Time {
	k, err := n.open(registry.QUERY_VALUE)
	if err != nil {
		return time.Time{}
	}
	defer k.Close()
	info, err := k.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (n liveNode) below(name string) liveNode {
	if n.path == "" {
		return liveNode{n.root, name}
	}
	return liveNode{n.root, n.path + `\` + name}
}

func (n liveNode) subkeys() iter.Seq2[node, error] {
	return func(yield func(node, error) bool) {
		k, err := n.open(registry.ENUMERATE_SUB_KEYS)
		if err != nil {
			yield(nil, err)
			return
		}
		names, err := k.ReadSubKeyNames(-1)
		k.Close()
		if err != nil && !yield(nil, err) {
			return
		}
		for _, name := range names {
			if !yield(n.below(name), nil) {
				return
			}
		}
	}
}

func (n liveNode) values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		k, err := n.open(registry.QUERY_VALUE)
		if err != nil {
			yield(Value{}, err)
			return
		}
		defer k.Close()
		names, err := k.ReadValueNames(-1)
		if err != nil && !yield(Value{}, err) {
			return
		}
		for _, name := range names {
			_, kind, err := k.GetValue(name, nil)
			if err != nil && !errors.Is(err, registry.ErrShortBuffer) {
				if !yield(Value{}, err) {
					return
				}
				continue
			}
			if !yield(Value{Name: name, Type: kind, read: func() ([]byte, error) { return n.data(name) }}, nil) {
				return
			}
		}
	}
}

// data reads a value, which may grow meanwhile.
func (n liveNode) data(name string) ([]byte, error) {
	k, err := n.open(registry.QUERY_VALUE)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	buf := make([]byte, 1024)
	for {
		size, _, err := k.GetValue(name, buf)
		if !errors.Is(err, registry.ErrShortBuffer) {
			return buf[:min(size, len(buf))], err
		}
		buf = make([]byte, size+1024)
	}
}

func (n liveNode) child(name string) (node, error) {
	sub := n.below(name)
	k, err := sub.open(registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k.Close()
	return sub, nil
}
