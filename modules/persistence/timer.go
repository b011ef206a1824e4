package persistence

import (
	"path"
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

func timers() modules.Module {
	text := func(name, setting, doc string) table.Column[unitRow] {
		return setText(name, doc, func(u *unitRow) string { return u.file.last("Timer", setting) })
	}
	texts := func(name, setting, doc string) table.Column[unitRow] {
		return setTexts(name, doc, func(u *unitRow) []string { return u.file.all("Timer", setting) })
	}
	return table.New(modules.Schema{
		Name: "timer", Doc: "The timers of systemd, of the system and of users: what starts at which times.", Key: "path",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'apt-*.timer'"},
	}, []table.Column[unitRow]{
		table.Text("name", "The name of the timer, such as logrotate.timer.", func(u *unitRow) string { return u.name }).Shown(),
		table.Text("path", "The file of the timer.", func(u *unitRow) string { return u.path }).To("file").Shown(),
		table.Text("scope", "Whether the system's manager knows it or those of users.", func(u *unitRow) string { return u.in.scope }).OneOf(scopeSystem, scopeUser),
		table.Text("user", "The name of the user in whose home it is; null for those of the system and of all users.", func(u *unitRow) string { return u.in.home }).To("user"),
		setText("enabled", "Whether it starts by itself, as systemctl is-enabled says.", func(u *unitRow) string { return u.state() }).OneOf(unitStates()...).Shown(),
		setText("activates", "The name of the unit that it starts.", func(u *unitRow) string { return u.triggers() }).Shown(),
		setText("activates_path", "The file of the unit that it starts; null where there is none of that name.", func(u *unitRow) string { return u.in.find(u.triggers()) }).To("unit"),
		texts("on_calendar", "OnCalendar", "The times of the calendar at which it starts, as they are written.").Shown(),
		texts("on_boot", "OnBootSec", "The times after boot at which it starts, as they are written.").Shown(),
		texts("on_startup", "OnStartupSec", "The times after the start of its manager at which it starts."),
		texts("on_active", "OnActiveSec", "The times after its own start at which it starts the unit."),
		texts("on_unit_active", "OnUnitActiveSec", "The times after the last start of the unit at which it starts that again."),
		texts("on_unit_inactive", "OnUnitInactiveSec", "The times after the last end of the unit at which it starts that again."),
		table.Value("persistent", value.Bool, "Whether a start that was missed while the machine was off is made up for.", func(u *unitRow) value.Value {
			return u.known(value.NewBool(u.file.is("Timer", "Persistent")))
		}),
		text("random_delay", "RandomizedDelaySec", "How much later than written it may start, at random, as it is written."),
		setText("description", "What it is, in its own words.", func(u *unitRow) string { return u.file.last("Unit", "Description") }),
		table.Computed("last_run", value.Time, "When it started its unit the last time, as systemd notes it for persistent timers of the system.", lastRun).Costs(modules.Stat),
	}, func(s *table.Scan, yield func(*unitRow) error) error {
		if elsewhere(s, "timer") {
			return nil
		}
		return eachUnit(s, ".timer", func(u *unit) error { return yield(&unitRow{unit: u}) })
	})
}

// find gives the path of a unit of the same manager; "" where there is none.
// An instance without a file of its own is its template.
func (p *unitPath) find(name string) string {
	for _, n := range []string{name, template(name)} {
		for _, d := range p.dirs {
			if n != "" && slices.Contains(d.names, n) {
				return path.Join(d.path, n)
			}
		}
	}
	return ""
}

// lastRun gives the time of the file that systemd touches for a timer; null
// where there is none.
func lastRun(s *table.Scan, u *unitRow) (value.Value, error) {
	if u.in.scope != scopeSystem {
		return value.Value{}, nil
	}
	name := "/var/lib/systemd/timers/stamp-" + u.name
	st, err := s.FS.Stat(name)
	if err != nil {
		if hostfs.SkipOf(name, err).Kind == modules.SkipVanished {
			return value.Value{}, nil
		}
		return value.Value{}, err
	}
	return table.TimeOf(st.ModTime()), nil
}
