package file

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/value"
)

// owners knows the names of users and groups of a host, read when the first
// is asked for.
type owners struct {
	root          string
	once          sync.Once
	users, groups map[uint32]string
}

func (o *owners) load() {
	o.users = readNames(filepath.Join(o.root, "/etc/passwd"))
	o.groups = readNames(filepath.Join(o.root, "/etc/group"))
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
// file that cannot be read names nobody.
func readNames(path string) map[uint32]string {
	names := map[uint32]string{}
	f, err := os.Open(path)
	if err != nil {
		return names
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // a group may have many members
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 4)
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
