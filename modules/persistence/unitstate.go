package persistence

import (
	"path"
	"slices"
	"strings"
)

// The states of a unit's file, in the words of systemctl is-enabled.
const (
	unitEnabled        = "enabled"
	unitEnabledRuntime = "enabled-runtime"
	unitLinked         = "linked"
	unitLinkedRuntime  = "linked-runtime"
	unitMasked         = "masked"
	unitMaskedRuntime  = "masked-runtime"
	unitAlias          = "alias"
	unitIndirect       = "indirect"
	unitStatic         = "static"
	unitDisabled       = "disabled"
	unitGenerated      = "generated"
	unitTransient      = "transient"
)

func unitStates() []string {
	return []string{
		unitEnabled, unitEnabledRuntime, unitLinked, unitLinkedRuntime, unitMasked, unitMaskedRuntime,
		unitAlias, unitIndirect, unitStatic, unitDisabled, unitGenerated, unitTransient,
	}
}

// state says whether a unit starts by itself; "" where that is not known.
func (u *unit) state() string {
	dir := u.in.dirs[u.dir].path
	switch {
	case u.masked && strings.HasPrefix(dir, "/run/"):
		return unitMaskedRuntime
	case u.masked:
		return unitMasked
	case !u.read:
		return ""
	case u.target != "" && u.isAlias():
		return unitAlias
	case strings.Contains(dir, "/systemd/generator"):
		return unitGenerated
	case dir == "/run/systemd/transient":
		return unitTransient
	}
	if state := u.enabling(true); state != "" {
		return state
	}
	rules := len(u.file.words("Install", "WantedBy", "RequiredBy", "UpheldBy", "Alias")) > 0
	also := len(u.file.words("Install", "Also")) > 0
	switch {
	case u.enabling(false) != "":
		return unitIndirect
	case rules:
		return unitDisabled
	case also:
		return unitIndirect
	}
	return unitStatic
}

// isAlias says whether a unit is a link to another unit that its manager
// finds by itself. An instance is a unit of its own.
func (u *unit) isAlias() bool {
	if base := path.Base(u.target); base == u.name || base == template(u.name) {
		return false
	}
	return u.in.has(path.Dir(u.target))
}

// has says whether a directory is one of those in which a manager looks.
func (p *unitPath) has(dir string) bool {
	return slices.ContainsFunc(p.dirs, func(d unitDir) bool {
		return d.path == dir || "/usr"+d.path == dir || d.path == "/usr"+dir
	})
}

// enabling looks for the links that enable a unit, as systemctl does: in the
// directories that administrators write, by the names that its [Install]
// gives it, or, where named is not set, by any.
func (u *unit) enabling(named bool) string {
	known := append(u.file.words("Install", "Alias"), u.name)
	if instance := u.file.last("Install", "DefaultInstance"); instance != "" && isTemplate(u.name) {
		ext := path.Ext(u.name)
		known = append(known, strings.TrimSuffix(u.name, ext)+instance+ext)
	}
	runtime, same := false, ""
	for i, d := range u.in.dirs {
		config, volatile := u.in.configures(d.path), strings.HasPrefix(d.path, "/run/")
		if !config {
			continue
		}
		for _, l := range d.links {
			switch {
			case l.holder == "" && l.name == u.name:
				if i <= u.dir && path.Base(l.target) == u.name && same == "" {
					same = map[bool]string{true: unitLinkedRuntime, false: unitLinked}[volatile]
				}
			case !u.pulledBy(l) || named && !slices.Contains(known, l.name):
			case !volatile:
				return unitEnabled
			default:
				runtime = true
			}
		}
	}
	if runtime {
		return unitEnabledRuntime
	}
	if named {
		return same
	}
	return ""
}

// configures says whether links in a directory enable units: only those of an
// administrator do, what a package links is part of it.
func (p *unitPath) configures(dir string) bool {
	switch dir {
	case "/etc/systemd/system", "/run/systemd/system", "/etc/systemd/user", "/run/systemd/user":
		return true
	}
	return p.home != "" && strings.HasSuffix(dir, "/.config/systemd/user")
}

// pulledBy says whether a link leads to a unit: by its name, unless it stands
// beside the units, or by where it points.
func (u *unit) pulledBy(l unitLink) bool {
	return l.holder != "" && l.name == u.name || path.Base(l.target) == u.name && l.target != ""
}

// wantedBy gives the units that start a unit with them by a link, and the
// instances by which they name a template.
func (u *unit) wantedBy() (holders, instances []string) {
	for _, d := range u.in.dirs {
		for _, l := range d.links {
			if l.holder == "" || l.target == "/dev/null" {
				continue
			}
			instance := isTemplate(u.name) && template(l.name) == u.name
			if !instance && !u.pulledBy(l) {
				continue
			}
			holders = append(holders, l.holder)
			if instance {
				instances = append(instances, l.name)
			}
		}
	}
	slices.Sort(holders)
	slices.Sort(instances)
	return slices.Compact(holders), slices.Compact(instances)
}

// triggers gives the unit that a timer, a socket or a path starts; "" for
// other types.
func (u *unit) triggers() string {
	stem := strings.TrimSuffix(u.name, path.Ext(u.name))
	kind := unitType(u.name)
	switch {
	case !u.read || u.masked:
		return ""
	case kind == "timer" || kind == "path":
		section := map[string]string{"timer": "Timer", "path": "Path"}[kind]
		if to := u.file.last(section, "Unit"); to != "" {
			return to
		}
		return stem + ".service"
	case kind == "automount":
		return stem + ".mount"
	case kind == "socket" && u.file.is("Socket", "Accept"):
		return stem + "@.service"
	case kind == "socket":
		if to := u.file.last("Socket", "Service"); to != "" {
			return to
		}
		return stem + ".service"
	}
	return ""
}
