package machine

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

func mounts() modules.Module {
	return table.New(modules.Schema{
		Name: "mount", Key: "path",
		Doc:     "What is mounted where: on a running machine as its first process sees it, in an image as its fstab says.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of the places where something is mounted", Example: "/mnt/*"},
	}, []table.Column[mountPoint]{
		table.Text("path", "Where it is mounted; null for swap.", func(m *mountPoint) string { return m.path }).Shown().To("file"),
		table.Text("device", "What is mounted: a device, a server's directory, or the name of a file system without one.", func(m *mountPoint) string { return m.device }).Shown().To("file"),
		table.Text("type", "The type of the file system.", func(m *mountPoint) string { return m.kind }).Shown(),
		table.Texts("options", "The options of the mount and of its file system, without doubles.", func(m *mountPoint) []string { return m.options }).Shown(),
		table.Bool("read_only", "Whether nothing can be written through it.", func(m *mountPoint) bool { return slices.Contains(m.options, "ro") }),
		table.Text("root", "The directory of the file system that is mounted; / is all of it.", func(m *mountPoint) string { return m.root }),
		numbered("id", "The kernel's number of the mount.", func(m *mountPoint) int64 { return m.id }),
		numbered("parent_id", "The number of the mount on which it stands.", func(m *mountPoint) int64 { return m.parent }),
		table.Text("device_number", "The major and minor number of the device, as in 8:1.", func(m *mountPoint) string { return m.number }),
		table.Texts("propagation", "How mounts below it spread to other namespaces, as in shared:1.", func(m *mountPoint) []string { return m.propagation }),
		table.Value("covered", value.Bool, "Whether it cannot be reached, since something else is mounted over it.", func(m *mountPoint) value.Value {
			if m.id == 0 {
				return value.Value{}
			}
			return value.NewBool(m.covered)
		}),
		roomy("size", value.Size, "How many bytes the file system holds; null for one that is not local.", func(r *room) int64 { return r.size }).Shown(),
		roomy("free", value.Size, "How many bytes of it are free.", func(r *room) int64 { return r.free }).Shown(),
		roomy("available", value.Size, "How many bytes of it are free for everybody.", func(r *room) int64 { return r.available }),
		roomy("block_size", value.Size, "The size of the blocks that it is given out in.", func(r *room) int64 { return r.block }),
		roomy("inodes", value.Int, "How many files the file system may hold.", func(r *room) int64 { return r.inodes }),
		roomy("inodes_free", value.Int, "How many more files it may hold.", func(r *room) int64 { return r.inodesFree }),
		table.Text("source", "The file in which this stands.", func(m *mountPoint) string { return m.source }).To("file"),
	}, listMounts)
}

// numbered is a column that the list of a running machine has and fstab has not.
func numbered(name, doc string, get func(*mountPoint) int64) table.Column[mountPoint] {
	return table.Value(name, value.Int, doc, func(m *mountPoint) value.Value {
		if m.id == 0 {
			return value.Value{}
		}
		return value.NewInt(get(m))
	})
}

// roomy is a column that the file system is asked for, once.
func roomy(name string, t value.Type, doc string, get func(*room) int64) table.Column[mountPoint] {
	return table.Computed(name, t, doc, func(s *table.Scan, m *mountPoint) (value.Value, error) {
		if !m.asked {
			m.asked = true
			m.room = askRoom(s, m)
		}
		switch {
		case m.room == nil:
			return value.Value{}, nil
		case t == value.Size:
			return value.NewSize(get(m.room)), nil
		}
		return value.NewInt(get(m.room)), nil
	}).Costs(modules.Stat).On("linux")
}

// askRoom asks a live file system how much it holds. One that is elsewhere is
// left alone: where its server does not answer, the question never ends.
func askRoom(s *table.Scan, m *mountPoint) *room {
	if !s.FS.Live() || m.covered || m.id == 0 {
		return nil
	}
	if remote(m.kind) {
		s.Skip(modules.SkipUnsupported, "mount "+m.path, "a file system that is not local may keep waiting who asks for its size")
		return nil
	}
	r, err := statfs(m.source, m.path)
	if err != nil {
		s.Fail("mount "+m.path, err)
	}
	return r
}

// remote says whether a file system is answered for by a server or a program.
func remote(kind string) bool {
	switch kind {
	case "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "coda", "glusterfs", "gfs2", "lustre", "ocfs2", "autofs", "virtiofs", "fuse", "fuseblk":
		return true
	}
	return strings.HasPrefix(kind, "fuse.")
}

// listMounts takes the first list that there is.
func listMounts(s *table.Scan, yield func(*mountPoint) error) error {
	if !linux(s) {
		return nil
	}
	for _, name := range []string{"/proc/1/mountinfo", "/proc/self/mountinfo", "/proc/mounts"} {
		text, ok := s.FS.Get(name)
		switch {
		case !ok || len(text) == 0:
			continue
		case name == "/proc/mounts":
			return each(parseFstab(name, text, malformed(s)), yield)
		}
		return each(parseMountinfo(name, text, malformed(s)), yield)
	}
	if s.FS.Live() {
		return nil // what kept the lists from being read was reported
	}
	text, _ := s.FS.Get("/etc/fstab")
	return each(parseFstab("/etc/fstab", text, malformed(s)), yield)
}
