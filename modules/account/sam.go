package account

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/regf"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// The local accounts of Windows stand in the hive SAM, one key for each, whose
// values F and V have what is fixed and what is text; numbers have the small
// end first. Those of a domain are known by their profiles alone.
const (
	samUsers   = `HKLM\SAM\SAM\Domains\Account\Users`
	samAccount = `HKLM\SAM\SAM\Domains\Account`

	fSize       = 0x44
	fLastLogin  = 0x08 // times, in units of 100 ns since 1601
	fChanged    = 0x18
	fExpires    = 0x20
	fGroup      = 0x34
	fFlags      = 0x38
	fLogins     = 0x42
	vHead       = 0xcc // bytes of offset, length and one more number for each text
	vName       = 0x0c
	vFullName   = 0x18
	vComment    = 0x24
	vHash       = 0xa8
	flagOff     = 0x0001
	flagNoPass  = 0x0004
	sidOfDomain = 24 // bytes of S-1-5-21-A-B-C
)

// A windowsUser is what Windows knows of a user beyond what others do.
type windowsUser struct {
	sid       string
	local     bool // it has an account here, and not only a profile
	disabled  bool
	lastLogin time.Time
	logins    int64
	shadow    shadow
}

// ofWindows gives what a row of a user of Windows is made of.
func (u User) ofWindows(all []group) *account {
	a := &account{User: u, groups: all}
	if u.windows.local {
		a.shadow = &u.windows.shadow
	}
	a.password = "x" // elsewhere
	return a
}

// ofWindows makes a column that Windows alone has.
func ofWindows(name string, t value.Type, doc string, get func(*windowsUser) value.Value) table.Column[account] {
	return table.Value(name, t, doc, func(a *account) value.Value {
		if a.windows == nil {
			return value.Value{}
		}
		return get(a.windows)
	}).On("windows")
}

// ofAccount makes a column of what an account of this machine has.
func ofAccount(name string, t value.Type, doc string, get func(*windowsUser) value.Value) table.Column[account] {
	return ofWindows(name, t, doc, func(w *windowsUser) value.Value {
		if !w.local {
			return value.Value{}
		}
		return get(w)
	})
}

// windowsUsers gives the local accounts of Windows, and those who have a
// profile.
func windowsUsers(f *hostfs.FS) []User {
	reg := registry.Open(f)
	defer reg.Close()
	if !reg.There() {
		return nil
	}
	profiles := reg.Users()
	list := samAccounts(f, reg)
	for i := range list {
		for _, p := range profiles {
			if p.SID == list[i].windows.sid {
				list[i].Home = strings.ReplaceAll(p.Home, `\`, "/")
			}
		}
	}
	for _, p := range profiles {
		known := slices.ContainsFunc(list, func(u User) bool { return u.windows.sid == p.SID })
		if known || p.Profile == nil {
			continue
		}
		u := User{Name: p.Name, Home: strings.ReplaceAll(p.Home, `\`, "/"), GID: -1, windows: &windowsUser{sid: p.SID}}
		u.UID, _ = strconv.ParseInt(p.SID[strings.LastIndexByte(p.SID, '-')+1:], 10, 64)
		list = append(list, u)
	}
	return list
}

func samAccounts(f *hostfs.FS, reg *registry.Registry) []User {
	users := reg.Key(samUsers)
	if users == nil {
		return nil
	}
	domain := samDomain(reg)
	var list []User
	for k := range users.Subkeys() {
		rid, err := strconv.ParseUint(k.Name(), 16, 32)
		if err != nil {
			continue // Names, which says the same again
		}
		fixed, ok1 := k.Bytes("F")
		texts, ok2 := k.Bytes("V")
		u, ok := samUser(fixed, texts)
		if !ok1 || !ok2 || !ok {
			f.Fail(k.Path, hostfs.ErrMalformed)
			continue
		}
		u.UID = int64(rid)
		if domain != "" {
			u.windows.sid = fmt.Sprintf("%s-%d", domain, rid)
		}
		list = append(list, u)
	}
	return list
}

// samDomain gives the identifier of the machine, with which those of its
// accounts begin.
func samDomain(reg *registry.Registry) string {
	k := reg.Key(samAccount)
	if k == nil {
		return ""
	}
	b, ok := k.Bytes("V")
	if !ok || len(b) < sidOfDomain {
		return ""
	}
	text, _ := sid(b[len(b)-sidOfDomain:])
	return text
}

// samUser reads the two values of an account.
func samUser(fixed, texts []byte) (User, bool) {
	name, ok := samText(texts, vName)
	if !ok || name == "" || len(fixed) < fSize {
		return User{}, false
	}
	full, ok1 := samText(texts, vFullName)
	comment, ok2 := samText(texts, vComment)
	if !ok1 || !ok2 || len(texts) < vHash+8 {
		return User{}, false
	}
	if full == "" {
		full = comment
	}
	le := binary.LittleEndian
	at := func(n int) time.Time { return regf.Filetime(le.Uint64(fixed[n:])) }
	w := &windowsUser{local: true, lastLogin: at(fLastLogin), logins: int64(le.Uint16(fixed[fLogins:]))}
	flags := le.Uint16(fixed[fFlags:])
	w.disabled = flags&flagOff != 0
	w.shadow = shadow{state: passwordSet, changed: at(fChanged), expires: at(fExpires)}
	switch le.Uint32(texts[vHash+4:]) {
	case 0, 4, 0x18: // the head of a hash without one
		w.shadow.state = passwordNone
	}
	if w.disabled {
		w.shadow.state = passwordLocked
	}
	return User{Name: name, Comment: full, GID: int64(le.Uint32(fixed[fGroup:])), windows: w}, true
}

// samText gives a text of the value V, whose offset and length stand at a
// place in its head.
func samText(b []byte, at int) (string, bool) {
	if len(b) < vHead {
		return "", false
	}
	from, size := int(binary.LittleEndian.Uint32(b[at:])), int(binary.LittleEndian.Uint32(b[at+4:]))
	rest := b[vHead:]
	if from > len(rest) || size > len(rest)-from {
		return "", false
	}
	return regf.UTF16(rest[from : from+size]), true
}

const sidHead = 8

// sid gives a security identifier as text, and the bytes behind it; "" where
// it is cut.
func sid(b []byte) (text string, rest []byte) {
	if len(b) < sidHead || len(b) < sidHead+4*int(b[1]) {
		return "", nil
	}
	n := int(b[1])
	text = fmt.Sprintf("S-%d-%d", b[0], uint64(binary.BigEndian.Uint16(b[2:]))<<32|uint64(binary.BigEndian.Uint32(b[4:])))
	for i := range n {
		text += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[sidHead+4*i:])), 10)
	}
	return text, b[sidHead+4*n:]
}

const (
	cHead    = 0x34 // bytes of the head of value C of a group
	cName    = 0x10 // offset and length
	cMembers = 0x28 // offset, and at 0x30 how many
)

// windowsGroups gives the local groups of Windows. Members that have no
// account here are given by their identifiers.
func windowsGroups(f *hostfs.FS) []group {
	reg := registry.Open(f)
	defer reg.Close()
	if !reg.There() {
		return nil
	}
	names := map[string]string{}
	for _, u := range windowsUsers(f) {
		names[u.windows.sid] = u.Name
	}
	var list []group
	for _, domain := range [...]string{"Builtin", "Account"} {
		aliases := reg.Key(`HKLM\SAM\SAM\Domains\` + domain + `\Aliases`)
		if aliases == nil {
			continue
		}
		for k := range aliases.Subkeys() {
			gid, err := strconv.ParseUint(k.Name(), 16, 32)
			if err != nil {
				continue // Names and Members, which say the same again
			}
			c, ok := k.Bytes("C")
			g, whole := samGroup(c, names)
			if !ok || !whole {
				f.Fail(k.Path, hostfs.ErrMalformed)
				continue
			}
			g.gid = int64(gid)
			list = append(list, g)
		}
	}
	return list
}

// samGroup reads the value C of a group.
func samGroup(c []byte, names map[string]string) (group, bool) {
	if len(c) < cHead {
		return group{}, false
	}
	number := func(at int) int { return int(binary.LittleEndian.Uint32(c[at:])) }
	rest := c[cHead:]
	from, size := number(cName), number(cName+4)
	if from > len(rest) || size > len(rest)-from || number(cMembers) > len(rest) {
		return group{}, false
	}
	g := group{name: regf.UTF16(rest[from : from+size])}
	members := rest[number(cMembers):]
	for range number(cMembers + 8) {
		text, more := sid(members)
		if text == "" {
			return group{}, false
		}
		if name, ok := names[text]; ok {
			text = name
		}
		g.members, members = append(g.members, text), more
	}
	return g, g.name != ""
}
