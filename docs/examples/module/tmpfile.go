// Package tmpfile is a module for Quaestor: the lines of tmpfiles.d, by which
// systemd makes files, links and devices at every start of a machine, as root.
// Who wants to come back after a reboot needs no more than one of them.
//
// [New] makes the module for a catalogue. What single users keep in
// user-tmpfiles.d is not here, and neither is what credentials hold.
package tmpfile

import (
	"fmt"
	"path"
	"runtime"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// New makes the module.
func New() modules.Module {
	return table.New(modules.Schema{
		Name: "tmpfile",
		Doc:  "What systemd-tmpfiles makes, changes and removes at boot and while the machine runs.",
		Locator: modules.Locator{
			Use: modules.LocatorOptional, Column: "path",
			Doc: "globs of the paths that lines are about", Example: "/etc/**",
		},
	}, []table.Column[rule]{
		table.Text("action", "What the line does.", func(r *rule) string { return r.action }).Shown().
			OneOf("file", "directory", "link", "pipe", "device", "copy", "write", "remove", "ignore", "mode", "attributes"),
		table.Text("path", "What it does that to; it may hold globs, and specifiers such as %m.", func(r *rule) string { return r.path }).Shown().To("file"),
		table.Text("target", "Where the link will point, or what is copied.", func(r *rule) string { return r.target() }).Shown().To("file"),
		table.Text("mode", "The mode that it sets, in octal digits; ~ and : in front as they are written.", func(r *rule) string { return r.mode }).Shown(),
		table.Text("user", "The owner that it sets, as it is written.", func(r *rule) string { return r.user }).Shown().To("user"),
		table.Text("group", "The group that it sets, as it is written.", func(r *rule) string { return r.group }),
		table.Text("age", "How old what lies in the folder may get before it is removed, such as 10d.", func(r *rule) string { return r.age }),
		table.Text("argument", "What is written, or assigned, with escapes and base64 undone.", func(r *rule) string { return r.argument }).Sensitive(),
		table.Text("type", "The letter of the line with its modifiers, as in tmpfiles.d(5).", func(r *rule) string { return r.typ }),
		table.Bool("boot", "It counts at boot alone.", func(r *rule) bool { return r.has('!') }),
		table.Text("file", "The file that the line stands in.", func(r *rule) string { return r.file }).Shown().To("file"),
		table.Int("line", "The number of the line in its file, from 1.", func(r *rule) int64 { return int64(r.line) }).Shown(),
		table.Bool("masked", "A file of the same name in a folder that comes first is read in the place of this one.", func(r *rule) bool { return r.masked }),
	}, list)
}

// list reads the folders in the order in which systemd prefers them.
func list(s *table.Scan, yield func(*rule) error) error {
	if s.FS.Live() && runtime.GOOS != "linux" {
		s.Skip(modules.SkipUnsupported, "tmpfile", "there is no tmpfiles.d on this system")
		return nil
	}
	seen := map[string]bool{}
	for _, folder := range [...]string{"/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"} {
		for name := range s.FS.Glob(folder + "/*.conf") {
			base := path.Base(name)
			if err := listFile(s, name, seen[base], yield); err != nil {
				return err
			}
			seen[base] = true
		}
	}
	return nil
}

// listFile gives the lines of one file. What is no line of tmpfiles.d goes
// to the report: systemd would leave it out, too.
func listFile(s *table.Scan, name string, masked bool, yield func(*rule) error) error {
	if to, err := s.FS.Readlink(name); err == nil && to == "/dev/null" {
		return nil // it is there only to mask others
	}
	text, _ := s.FS.Get(name)
	for n, line := range table.Lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		r, ok := parse(line)
		if !ok {
			s.Fail(fmt.Sprintf("%s:%d", name, n), hostfs.ErrMalformed)
			continue
		}
		r.file, r.line, r.masked = name, n, masked
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}
