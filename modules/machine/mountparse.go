package machine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
)

// A mountPoint is a line of a list of mounts.
type mountPoint struct {
	path, device, kind, root, source string
	options, propagation             []string
	id, parent                       int64  // 0 where the list has none
	number                           string // of the device, as 8:1
	covered                          bool   // something else is mounted over it
	asked                            bool   // room is known, or cannot be
	room                             *room
}

// room is how much a file system holds, in bytes and in files.
type room struct{ size, free, available, inodes, inodesFree, block int64 }

// parseMountinfo reads /proc/PID/mountinfo, as proc(5) has it:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// The fields before the dash are of the mount, those behind of the file system.
func parseMountinfo(name string, text []byte, bad complaint) []mountPoint {
	var list []mountPoint
	for n, line := range table.Lines(text) {
		if line == "" {
			continue
		}
		f := strings.Split(line, " ")
		dash := slices.Index(f, "-")
		if dash < 6 || len(f) < dash+3 || f[4] == "" {
			bad(at(name, n))
			continue
		}
		id, err1 := strconv.ParseInt(f[0], 10, 64)
		parent, err2 := strconv.ParseInt(f[1], 10, 64)
		if err1 != nil || err2 != nil {
			bad(at(name, n))
			continue
		}
		super := ""
		if len(f) > dash+3 {
			super = f[dash+3]
		}
		list = append(list, mountPoint{
			path: unoctal(f[4]), device: unoctal(f[dash+2]), kind: unoctal(f[dash+1]), root: unoctal(f[3]), source: name,
			options: mergeOptions(f[5], super), propagation: f[6:dash], id: id, parent: parent, number: f[2],
		})
	}
	cover(list)
	return list
}

// parseFstab reads fstab(5) and /proc/mounts, which have the same fields.
func parseFstab(name string, text []byte, bad complaint) []mountPoint {
	var list []mountPoint
	for n, line := range table.Lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 3 || len(f) > 6 && !strings.HasPrefix(f[6], "#") {
			bad(at(name, n))
			continue
		}
		m := mountPoint{path: unoctal(f[1]), device: unoctal(f[0]), kind: f[2], source: name}
		if !strings.HasPrefix(m.path, "/") {
			m.path = "" // swap is mounted nowhere, which fstab writes as none
		}
		if len(f) > 3 {
			m.options = mergeOptions(unoctal(f[3]), "")
		}
		list = append(list, m)
	}
	return list
}

// mergeOptions joins the options of a mount and those of its file system, as
// /proc/mounts does: it can be written to where both say so.
func mergeOptions(mount, super string) []string {
	var list []string
	readOnly := false
	for _, o := range append(splitOptions(mount), splitOptions(super)...) {
		readOnly = readOnly || o == "ro"
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	if readOnly {
		list = slices.DeleteFunc(list, func(o string) bool { return o == "rw" })
	}
	return list
}

// splitOptions splits at commas, but not within quotes, in which SELinux has
// its categories.
func splitOptions(s string) []string {
	var list []string
	quoted := false
	for _, o := range strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	}) {
		list = append(list, unoctal(o))
	}
	return list
}

// unoctal undoes what the kernel does to blanks and backslashes: \040.
func unoctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(c))
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// maxAncestors bounds the way from a mount to the root, which a list that
// somebody made up might close to a circle.
const maxAncestors = 128

// cover marks the mounts that cannot be reached, since another one stands at
// their place or above it that they are not mounted on.
func cover(list []mountPoint) {
	places, ids := map[string][]int64{}, map[int64]*mountPoint{}
	for i := range list {
		m := &list[i]
		places[m.path] = append(places[m.path], m.id)
		ids[m.id] = m
	}
	for i := range list {
		m := &list[i]
		above := map[int64]bool{}
		for at := m; at != nil && !above[at.id] && len(above) < maxAncestors; at = ids[at.parent] {
			above[at.id] = true
		}
		m.covered = covers(places, m.path, above)
	}
}

// covers says whether one of the mounts at a path and above it is not among
// those on which a mount stands.
func covers(places map[string][]int64, path string, above map[int64]bool) bool {
	for {
		for _, id := range places[path] {
			if !above[id] {
				return true
			}
		}
		if path == "/" || path == "" {
			return false
		}
		path = path[:strings.LastIndexByte(path, '/')+1]
		if len(path) > 1 {
			path = path[:len(path)-1]
		}
	}
}
