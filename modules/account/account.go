// Package account is the modules about people who may use a host: its users
// and groups, as the files of the system list them, what lets them in, and
// what is written down of their comings, goings and doings.
//
// [Modules] gives them. [Users] is for other modules, which look into homes.
// Accounts of a directory service that the files do not list are not here. No
// hash of a password ever leaves the package.
package account

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// Modules gives the modules of this package, in alphabetical order.
func Modules() []modules.Module {
	return []modules.Module{
		authorizedKeys(), groups(), groupMembers(), knownHosts(), logins(), sessions(), shellHistory(), sshConfigs(), sshKeys(), sudoRules(), users(),
	}
}

// A User is a line of /etc/passwd, as passwd(5) has it, or an account of macOS.
type User struct {
	Name, Comment, Home, Shell string
	UID, GID                   int64
	password                   string     // the second field
	local                      *localUser // of macOS
	windows                    *windowsUser
}

// Users reads the users of a host: those of macOS, and those of /etc/passwd. What cannot be read or understood goes to
// the report of the files.
func Users(f *hostfs.FS) []User {
	users := append(localUsers(f), windowsUsers(f)...)
	known := map[string]bool{}
	for _, u := range users {
		known[u.Name] = true
	}
	for _, l := range records(f, "/etc/passwd", 7) {
		uid, err1 := strconv.ParseUint(l.fields[2], 10, 32)
		gid, err2 := strconv.ParseUint(l.fields[3], 10, 32)
		if err1 != nil || err2 != nil {
			f.Fail(l.where, hostfs.ErrMalformed)
			continue
		}
		if known[l.fields[0]] {
			continue // macOS has it here, too
		}
		users = append(users, User{
			Name: l.fields[0], Comment: l.fields[4], Home: l.fields[5], Shell: l.fields[6],
			UID: int64(uid), GID: int64(gid), password: l.fields[1],
		})
	}
	return users
}

// A record is a line whose fields have colons between them.
type record struct {
	where  string // for reports
	fields []string
}

// records reads a file of such lines, each of so many fields and with a name.
// Lines of NIS, which begin with + or -, name accounts that are elsewhere.
func records(f *hostfs.FS, path string, fields int) []record {
	text, _ := f.Get(path)
	return parseRecords(text, path, fields, func(where string) { f.Fail(where, hostfs.ErrMalformed) })
}

func parseRecords(text []byte, path string, fields int, malformed func(where string)) []record {
	var list []record
	for n, line := range table.Lines(text) {
		if line == "" || strings.ContainsRune("#+-", rune(line[0])) {
			continue
		}
		r := record{path + ":" + strconv.Itoa(n), strings.Split(line, ":")}
		if len(r.fields) != fields || r.fields[0] == "" {
			malformed(r.where)
			continue
		}
		list = append(list, r)
	}
	return list
}

// A group is a line of /etc/group, as group(5) has it.
type group struct {
	name    string
	gid     int64
	members []string
}

func readGroups(f *hostfs.FS) []group {
	list := append(localGroups(f), windowsGroups(f)...)
	known := map[string]bool{}
	for _, g := range list {
		known[g.name] = true
	}
	for _, l := range records(f, "/etc/group", 4) {
		gid, err := strconv.ParseUint(l.fields[2], 10, 32)
		if err != nil {
			f.Fail(l.where, hostfs.ErrMalformed)
			continue
		}
		if known[l.fields[0]] {
			continue
		}
		members := strings.FieldsFunc(l.fields[3], func(r rune) bool { return r == ',' })
		list = append(list, group{l.fields[0], int64(gid), members})
	}
	return list
}

func groups() modules.Module {
	return table.New(modules.Schema{
		Name: "group", Doc: "The groups that the files of the system list.", Key: "name",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'docker*'"},
	}, []table.Column[group]{
		table.Text("name", "The name of the group.", func(g *group) string { return g.name }).Shown(),
		table.Int("gid", "Its number.", func(g *group) int64 { return g.gid }).Shown(),
		table.Texts("members", "The users that it lists. Those whose own group it is are not among them.", func(g *group) []string { return g.members }).Shown(),
	}, func(s *table.Scan, yield func(*group) error) error {
		for _, g := range readGroups(s.FS) {
			if err := yield(&g); err != nil {
				return err
			}
		}
		return nil
	})
}

// A member is a user in a group.
type member struct {
	user, group string
	uid, gid    int64
	own         bool
}

func groupMembers() modules.Module {
	return table.New(modules.Schema{
		Name: "group_member", Doc: "Who is in which group: one row for each user and group, the own group of each user included.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "group", Doc: "a glob of names of groups", Example: "'docker*'"},
	}, []table.Column[member]{
		table.Text("user", "The name of the user.", func(m *member) string { return m.user }).To("user").Shown(),
		table.Text("group", "The name of the group; null where the system lists none of the number that a user has.", func(m *member) string { return m.group }).To("group").Shown(),
		table.Int("uid", "The number of the user.", func(m *member) int64 { return m.uid }).Shown(),
		table.Int("gid", "The number of the group.", func(m *member) int64 { return m.gid }).Shown(),
		table.Bool("own", "Whether it is the user's own group.", func(m *member) bool { return m.own }),
	}, func(s *table.Scan, yield func(*member) error) error {
		groups := readGroups(s.FS)
		for _, u := range Users(s.FS) {
			for _, m := range membersOf(u, groups) {
				if err := yield(&m); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// membersOf gives the groups of a user, the own one first.
func membersOf(u User, groups []group) []member {
	own := member{user: u.Name, uid: u.UID, gid: u.GID, own: true}
	list := []member{own}
	for _, g := range groups {
		switch {
		case g.gid == u.GID && list[0].group == "":
			list[0].group = g.name
		case g.gid != u.GID && slices.Contains(g.members, u.Name):
			list = append(list, member{u.Name, g.name, u.UID, g.gid, false})
		}
	}
	return list
}

// An account is a user with what /etc/shadow says of the password.
type account struct {
	User
	shadow *shadow // nil where it could not be read, or has no such line
	groups []group
}

// A shadow is a line of /etc/shadow, as shadow(5) has it, without the hash.
type shadow struct {
	state, method    string
	changed, expires time.Time
	// days are how long a password must stay, may stay, is warned of before,
	// and may be changed after that; empty where none is set.
	days [4]string
}

// The states of a password.
const (
	passwordSet    = "set"
	passwordLocked = "locked"
	passwordNone   = "none"
)

// passwordState says what the field of a password means.
func passwordState(field string) string {
	switch {
	case field == "":
		return passwordNone
	case field[0] == '!' || field[0] == '*':
		return passwordLocked
	}
	return passwordSet
}

// passwordMethod names the way in which a password was hashed, as crypt(5)
// numbers them; "" where there is no hash.
func passwordMethod(field string) string {
	field = strings.TrimLeft(field, "!")
	if !strings.HasPrefix(field, "$") {
		if len(field) == 13 {
			return "des"
		}
		return ""
	}
	id, _, _ := strings.Cut(field[1:], "$")
	switch id {
	case "1":
		return "md5"
	case "2", "2a", "2b", "2x", "2y":
		return "bcrypt"
	case "3":
		return "nt"
	case "5":
		return "sha256"
	case "6":
		return "sha512"
	case "7":
		return "scrypt"
	case "y":
		return "yescrypt"
	case "gy":
		return "gost-yescrypt"
	}
	return id
}

// day makes a time of a number of days since 1970; none is the zero time. Day
// 0 of the last change means that the password has to be changed.
func day(field string) time.Time {
	n, err := strconv.ParseInt(field, 10, 32)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.Unix(n*24*60*60, 0)
}

func readShadow(f *hostfs.FS) map[string]*shadow {
	list := map[string]*shadow{}
	for _, l := range records(f, "/etc/shadow", 9) {
		list[l.fields[0]] = &shadow{
			state: passwordState(l.fields[1]), method: passwordMethod(l.fields[1]),
			changed: day(l.fields[2]), expires: day(l.fields[7]), days: [4]string(l.fields[3:7]),
		}
	}
	return list
}

func users() modules.Module {
	return table.New(modules.Schema{
		Name: "user", Doc: "The users that the files of the system list.", Key: "name",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'www-*'"},
	}, userColumns(), func(s *table.Scan, yield func(*account) error) error {
		var shadows map[string]*shadow
		if s.Wants("password", "hash_method", "password_changed", "expires", "password_min_days", "password_max_days", "password_warn_days", "password_inactive_days") {
			shadows = readShadow(s.FS)
		}
		var all []group
		if s.Wants("groups") {
			all = readGroups(s.FS)
		}
		for _, u := range Users(s.FS) {
			if u.local != nil {
				if shadows == nil {
					shadows = map[string]*shadow{}
				}
				shadows[u.Name] = &u.local.shadow
			}
			if u.windows != nil {
				if err := yield(u.ofWindows(all)); err != nil {
					return err
				}
				continue
			}
			if err := yield(&account{u, shadows[u.Name], all}); err != nil {
				return err
			}
		}
		return nil
	})
}

func userColumns() []table.Column[account] {
	return []table.Column[account]{
		table.Text("name", "The name of the user.", func(a *account) string { return a.Name }).Shown(),
		table.Int("uid", "The number of the user; 0 is root, whatever its name. On Windows the last part of the security identifier.", func(a *account) int64 { return a.UID }).Shown(),
		table.Value("gid", value.Int, "The number of the user's own group.", func(a *account) value.Value {
			if a.GID < 0 {
				return value.Value{}
			}
			return value.NewInt(a.GID)
		}).Shown(),
		table.Text("comment", "Who it is, as far as somebody wrote it down.", func(a *account) string { return a.Comment }).Shown(),
		table.Text("home", "The home directory.", func(a *account) string { return a.Home }).To("file").Shown(),
		table.Text("shell", "What runs when the user logs in.", func(a *account) string { return a.Shell }).To("file").Shown(),
		table.Texts("groups", "The names of the groups that the user is in, the own one first.", (*account).in).Costs(modules.Stat),
		fromShadow("password", value.Text, "Whether a password is set, locked, so that none fits, or none is asked for.", func(s *shadow) value.Value { return value.NewText(s.state) }).
			OneOf(passwordSet, passwordLocked, passwordNone),
		fromShadow("hash_method", value.Text, "How the password is hashed, such as sha512 or yescrypt; null where there is none.", func(s *shadow) value.Value { return table.TextOf(s.method) }),
		fromShadow("password_changed", value.Time, "The day on which the password was changed the last time.", func(s *shadow) value.Value { return table.TimeOf(s.changed) }),
		fromShadow("expires", value.Time, "The day from which the account cannot be used any more; null for never.", func(s *shadow) value.Value { return table.TimeOf(s.expires) }),
		table.Time("created", "When the account was made.", func(a *account) time.Time {
			if a.local == nil {
				return time.Time{}
			}
			return a.local.created
		}).On("darwin"),
		table.Value("hidden", value.Bool, "Whether the account is kept from the window in which people log in.", func(a *account) value.Value {
			if a.local == nil {
				return value.Value{}
			}
			return value.NewBool(a.local.hidden)
		}).On("darwin"),
		ofWindows("sid", value.Text, "The security identifier.", func(w *windowsUser) value.Value { return table.TextOf(w.sid) }),
		ofAccount("disabled", value.Bool, "Whether the account is switched off.", func(w *windowsUser) value.Value { return value.NewBool(w.disabled) }),
		ofAccount("last_login", value.Time, "When the user logged in the last time, by name and password.", func(w *windowsUser) value.Value { return table.TimeOf(w.lastLogin) }),
		ofAccount("logins", value.Int, "How often that was.", func(w *windowsUser) value.Value { return value.NewInt(w.logins) }),
		shadowDays("password_min_days", "How many days a password must stay.", 0),
		shadowDays("password_max_days", "How many days a password may stay.", 1),
		shadowDays("password_warn_days", "How many days before that the user is warned.", 2),
		shadowDays("password_inactive_days", "How many days after that the password can still be changed.", 3),
	}
}

// shadowDays makes a column of a number of days; null where none is set.
func shadowDays(name, doc string, field int) table.Column[account] {
	return fromShadow(name, value.Int, doc, func(s *shadow) value.Value {
		n, err := strconv.ParseInt(s.days[field], 10, 32)
		if err != nil {
			return value.Value{}
		}
		return value.NewInt(n)
	})
}

// fromShadow makes a column of /etc/shadow. Where /etc/passwd holds the
// password itself, as it did of old, it is taken from there.
func fromShadow(name string, t value.Type, doc string, get func(*shadow) value.Value) table.Column[account] {
	return table.Value(name, t, doc, func(a *account) value.Value {
		switch {
		case a.shadow != nil:
			return get(a.shadow)
		case a.password != "x":
			return get(&shadow{state: passwordState(a.password), method: passwordMethod(a.password)})
		}
		return value.Value{}
	}).Costs(modules.Stat)
}

// in lists the groups of a user.
func (a *account) in() []string {
	var names []string
	for _, g := range a.groups {
		switch {
		case g.gid == a.GID:
			names = slices.Insert(names, 0, g.name)
		case slices.Contains(g.members, a.Name):
			names = append(names, g.name)
		}
	}
	return names
}
