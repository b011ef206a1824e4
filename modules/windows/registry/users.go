package registry

import (
	"path"
	"slices"
	"strings"
)

// A User is somebody who has a profile on the host.
type User struct {
	// SID is the security identifier: S-1-5-21-…-1001. It is the name of the
	// folder where the registry lists no such profile.
	SID string
	// Name is what the folder of the profile is called.
	Name string
	// Home is the folder as the host's files have it.
	Home string
	// Profile is the key of ProfileList; nil where that lists none.
	Profile *Key
}

const profileList = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`

// Users gives everybody who has a profile: those of the registry's list, the
// accounts of the system among them, and those whose folder alone is there.
func (r *Registry) Users() []User {
	if r.listed {
		return r.users
	}
	r.listed = true
	var seen []string
	if list := r.Key(profileList); list != nil {
		for k := range list.Subkeys() {
			home, _ := r.fs.Windows(r.Expand(k.Text("ProfileImagePath"), ""))
			if home == "" || !strings.HasPrefix(k.Name(), "S-1-") {
				continue
			}
			r.users = append(r.users, User{SID: k.Name(), Name: path.Base(strings.ReplaceAll(home, `\`, "/")), Home: home, Profile: k})
			seen = append(seen, strings.ToLower(home))
		}
	}
	for file := range r.fs.GlobWindows("/Users/*/NTUSER.DAT", "/Documents and Settings/*/NTUSER.DAT") {
		home := path.Dir(file)
		if !slices.Contains(seen, strings.ToLower(home)) && !slices.Contains(seen, strings.ToLower(strings.ReplaceAll(home, "/", `\`))) {
			r.users = append(r.users, User{SID: path.Base(home), Name: path.Base(home), Home: home})
		}
	}
	return r.users
}

// In gives a user's path below the home.
func (u User) In(name string) string { return strings.ReplaceAll(u.Home, `\`, "/") + "/" + name }

const localSystem = "S-1-5-18" // whose hive is also called .DEFAULT

// mounted gives the keys that stand at the roots, each of a hive of its own;
// of one name alone where that is not empty.
func (r *Registry) mounted(k *Key, name string) []*Key {
	wanted := func(s string) bool { return name == "" || strings.EqualFold(name, s) }
	if r.fs.Live() {
		return r.liveMounted(k, wanted)
	}
	var list []*Key
	if k.Path == "HKLM" {
		files := systemHives()
		for _, hive := range hiveNames() {
			if wanted(hive) {
				list = r.mount(list, `HKLM\`+hive, files[hive], "")
			}
		}
		return list
	}
	if wanted(".DEFAULT") || wanted(localSystem) && name != "" {
		list = r.mount(nil, `HKU\.DEFAULT`, "/Windows/System32/config/DEFAULT", "")
	}
	return r.profiles(list, wanted, func(User) bool { return true })
}

// profiles adds the two hives of each profile, from their files.
func (r *Registry) profiles(list []*Key, wanted func(string) bool, here func(User) bool) []*Key {
	for _, u := range r.Users() {
		if u.SID == localSystem || !here(u) {
			continue
		}
		if wanted(u.SID) {
			list = r.mount(list, `HKU\`+u.SID, u.In("NTUSER.DAT"), u.Name)
		}
		if wanted(u.SID + "_Classes") {
			list = r.mount(list, `HKU\`+u.SID+"_Classes", u.In("AppData/Local/Microsoft/Windows/UsrClass.dat"), u.Name)
		}
	}
	return list
}

func (r *Registry) mount(list []*Key, at, file, user string) []*Key {
	if h := r.hive(file, user); h != nil {
		list = append(list, &Key{Path: at, Hive: h, reg: r, n: h.root})
	}
	return list
}

// Expand puts in what %…% stand for that are the same on every Windows, or
// known of the user with that home; "" for none. Others stay as they are.
func (r *Registry) Expand(text, home string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	vars := [][2]string{
		{"%SystemRoot%", `C:\Windows`}, {"%windir%", `C:\Windows`}, {"%SystemDrive%", "C:"}, {"%ProgramFiles%", `C:\Program Files`},
		{"%ProgramFiles(x86)%", `C:\Program Files (x86)`}, {"%ProgramW6432%", `C:\Program Files`}, {"%CommonProgramFiles%", `C:\Program Files\Common Files`},
		{"%CommonProgramFiles(x86)%", `C:\Program Files (x86)\Common Files`}, {"%ProgramData%", `C:\ProgramData`}, {"%ALLUSERSPROFILE%", `C:\ProgramData`},
		{"%PUBLIC%", `C:\Users\Public`},
	}
	if home != "" {
		if strings.HasPrefix(home, "/") {
			home = "C:" + strings.ReplaceAll(home, "/", `\`)
		}
		vars = append(vars, [][2]string{
			{"%USERPROFILE%", home}, {"%APPDATA%", home + `\AppData\Roaming`}, {"%LOCALAPPDATA%", home + `\AppData\Local`},
			{"%TEMP%", home + `\AppData\Local\Temp`}, {"%TMP%", home + `\AppData\Local\Temp`}, {"%HOMEDRIVE%%HOMEPATH%", home},
		}...)
	}
	for _, v := range vars {
		text = replaceFold(text, v[0], v[1])
	}
	return text
}

// replaceFold replaces what is spelt in any case.
func replaceFold(text, old, with string) string {
	for from := 0; ; {
		i := strings.Index(strings.ToLower(text[from:]), strings.ToLower(old))
		if i < 0 || len(strings.ToLower(text)) != len(text) {
			return text
		}
		text = text[:from+i] + with + text[from+i+len(old):]
		from += i + len(with)
	}
}
