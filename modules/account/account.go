// Package account is the modules about people who may use a host: its users
// and groups, as the files of the system list them.
//
// [Modules] gives them. [Users] is for other modules, which look into homes.
// Accounts of a directory service that the files do not list are not here.
package account

import (
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A User is a line of /etc/passwd, as passwd(5) has it.
type User struct {
	Name, Comment, Home, Shell string
	UID, GID                   int64
	locked                     bool // its password field says so
}

// Users reads the users of a host. What cannot be read or understood goes to
// the report of the files.
func Users(f *hostfs.FS) []User {
	text, _ := f.Get("/etc/passwd")
	return parsePasswd(text, func(where string) { f.Fail(where, hostfs.ErrMalformed) })
}

// parsePasswd leaves out what is no line of such a file, and names it.
func parsePasswd(text []byte, malformed func(where string)) []User {
	var users []User
	for n, line := range table.Lines(text) {
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			continue // of NIS, whose accounts are elsewhere
		}
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" {
			malformed("/etc/passwd:" + strconv.Itoa(n))
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			malformed("/etc/passwd:" + strconv.Itoa(n))
			continue
		}
		users = append(users, User{
			Name: f[0], Comment: f[4], Home: f[5], Shell: f[6], UID: int64(uid), GID: int64(gid),
			locked: strings.HasPrefix(f[1], "!") || strings.HasPrefix(f[1], "*"),
		})
	}
	return users
}
