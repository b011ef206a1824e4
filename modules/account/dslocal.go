package account

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
)

// The accounts of macOS that are not of a directory service stand in property
// lists, one for each, which root alone may read. Whatever a list says is a
// list itself, for the most part of one member. /etc/passwd has the accounts
// of the system again.
const (
	localUserLists  = "/private/var/db/dslocal/nodes/Default/users/*.plist"
	localGroupLists = "/private/var/db/dslocal/nodes/Default/groups/*.plist"
)

// A localRecord is an account or a group of macOS.
type localRecord struct{ list *plist.Value }

// text gives the first text under a name.
func (r localRecord) text(name string) string {
	if all := r.list.Get(name).Texts(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// number gives a number that is written as a text; that of nobody is -2.
func (r localRecord) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(r.text(name), 10, 33)
	if n < 0 {
		n = int64(uint32(n))
	}
	return n, err == nil
}

// inner gives the property list that stands under a name as data.
func (r localRecord) inner(name string) *plist.Value {
	if v := r.list.Get(name); v.Kind == plist.List && v.Len() > 0 {
		_, data := v.At(0)
		if list, err := plist.Decode(data.Data()); err == nil {
			return list
		}
	}
	return &plist.Value{}
}

// localRecords reads the lists that a pattern names, each of which has a name
// and a number.
func localRecords(f *hostfs.FS, pattern, number string, yield func(r localRecord, name string, n int64)) {
	for path := range f.Glob(pattern) {
		text, ok := f.Get(path)
		if !ok {
			continue
		}
		list, err := plist.Decode(text)
		if err != nil {
			f.Fail(path, err)
			continue
		}
		r := localRecord{list}
		n, ok := r.number(number)
		if !ok || r.text("name") == "" {
			f.Fail(path, hostfs.ErrMalformed)
			continue
		}
		yield(r, r.text("name"), n)
	}
}

// localUsers reads the accounts of macOS.
func localUsers(f *hostfs.FS) []User {
	var users []User
	localRecords(f, localUserLists, "uid", func(r localRecord, name string, uid int64) {
		gid, _ := r.number("gid")
		policy := r.inner("accountPolicyData")
		s := shadow{state: passwordLocked, changed: seconds(policy.Get("passwordLastSetTime"))}
		if kinds := r.inner("ShadowHashData"); kinds.Len() > 0 {
			s.state = passwordSet
			kind, _ := kinds.At(0)
			s.method = strings.ToLower(kind)
		}
		if slices.ContainsFunc(r.list.Get("authentication_authority").Texts(), func(a string) bool { return strings.Contains(a, ";DisabledUser;") }) {
			s.state = passwordLocked
		}
		users = append(users, User{
			Name: name, Comment: r.text("realname"), Home: r.text("home"), Shell: r.text("shell"), UID: uid, GID: gid,
			local: &localUser{shadow: s, created: seconds(policy.Get("creationTime")), hidden: r.text("IsHidden") == "1" || strings.EqualFold(r.text("IsHidden"), "YES")},
		})
	})
	return users
}

// A localUser is what macOS alone keeps of a user.
type localUser struct {
	shadow  shadow
	created time.Time
	hidden  bool
}

// seconds reads a time that is a number of seconds since 1970, with a part.
func seconds(v *plist.Value) time.Time {
	n, err := strconv.ParseFloat(v.String(), 64)
	if err != nil || !(n > 0 && n < 1<<40) {
		return time.Time{}
	}
	whole := math.Floor(n)
	return time.Unix(int64(whole), int64((n-whole)*1e6)*1000).UTC()
}

// localGroups reads the groups of macOS. Members that they name by an identity
// alone are named if an account has it.
func localGroups(f *hostfs.FS) []group {
	names := map[string]string{}
	localRecords(f, localUserLists, "uid", func(r localRecord, name string, _ int64) { names[r.text("generateduid")] = name })
	var list []group
	localRecords(f, localGroupLists, "gid", func(r localRecord, name string, gid int64) {
		members := r.list.Get("users").Texts()
		for _, id := range r.list.Get("groupmembers").Texts() {
			if user := names[id]; user != "" && !slices.Contains(members, user) {
				members = append(members, user)
			}
		}
		list = append(list, group{name, gid, members})
	})
	return list
}
