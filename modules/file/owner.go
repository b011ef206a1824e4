package file

import (
	"strconv"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// owners knows the names of users and groups of a host, read when the first
// is asked for.
type owners struct {
	host          modules.Host
	report        modules.Report
	once          sync.Once
	users, groups map[uint32]string
}

func (o *owners) load() {
	f, err := hostfs.Open(o.host, o.report)
	if err != nil {
		o.report.Skip(hostfs.SkipOf("users", err))
		return
	}
	defer f.Close()
	o.users = readNames(f, "/etc/passwd")
	o.groups = readNames(f, "/etc/group")
}

func (o *owners) user(id uint32) value.Value {
	o.once.Do(o.load)
	return nameIn(o.users, id)
}

func (o *owners) group(id uint32) value.Value {
	o.once.Do(o.load)
	return nameIn(o.groups, id)
}

func nameIn(names map[uint32]string, id uint32) value.Value {
	if name, ok := names[id]; ok {
		return value.NewText(name)
	}
	return value.Value{}
}

// readNames reads name:x:number: lines; the first name of a number counts. A
// file that cannot be read names nobody, and is reported.
func readNames(f *hostfs.FS, path string) map[uint32]string {
	names := map[uint32]string{}
	text, _ := f.Get(path)
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(line, ":", 4)
		if len(parts) < 3 {
			continue
		}
		id, err := strconv.ParseUint(parts[2], 10, 32)
		if _, had := names[uint32(id)]; err == nil && !had {
			names[uint32(id)] = parts[0]
		}
	}
	return names
}
