package macos

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// systemDomain is the domain of daemons; others are numbers of users.
const systemDomain = ""

// overrides are what was switched on and off with launchctl, which goes before
// what the lists say.
type overrides struct {
	set     map[string]map[string]bool // by domain and label: whether it is disabled
	numbers map[string]string          // of users, by name
}

// readOverrides reads the files of launchd: disabled.plist of the system and
// disabled.501.plist of a user, each with labels and truths, and the one file
// of macOS before 10.10, which has a dictionary for each label.
func readOverrides(s *table.Scan) *overrides {
	o := &overrides{set: map[string]map[string]bool{}, numbers: map[string]string{}}
	for name := range s.FS.Glob("/private/var/db/com.apple.xpc.launchd/disabled.plist", "/private/var/db/com.apple.xpc.launchd/disabled.*.plist", "/private/var/db/launchd.db/com.apple.launchd/overrides.plist") {
		list, ok := decode(s, name)
		if !ok {
			continue
		}
		domain := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "disabled."), "plist")
		domain = strings.TrimSuffix(domain, ".")
		if path.Base(name) == "overrides.plist" {
			domain = systemDomain
		}
		if o.set[domain] == nil {
			o.set[domain] = map[string]bool{}
		}
		for i := range list.Len() {
			label, v := list.At(i)
			if d := v.Get("Disabled"); v.Len() > 0 {
				v = d
			}
			o.set[domain][label] = v.Bool()
		}
	}
	for _, u := range account.Users(s.FS) {
		if _, ok := o.numbers[u.Name]; !ok {
			o.numbers[u.Name] = strconv.FormatInt(u.UID, 10)
		}
	}
	return o
}

// number gives that of a user, which is the name of a domain.
func (o *overrides) number(user string) string {
	if o == nil || o.numbers[user] == "" {
		return "unknown"
	}
	return o.numbers[user]
}

// says gives what was set in a domain; false where nothing was.
func (o *overrides) says(domain, label string) (disabled, ok bool) {
	if o == nil {
		return false, false
	}
	disabled, ok = o.set[domain][label]
	return disabled, ok
}

// users gives the domains of users in which something is switched off.
func (o *overrides) users(label string) []string {
	var list []string
	if o == nil {
		return nil
	}
	for domain, labels := range o.set {
		if domain != systemDomain && labels[label] {
			list = append(list, domain)
		}
	}
	slices.Sort(list)
	return list
}
