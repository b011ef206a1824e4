package macos

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/records/plist"
)

// A job of launchd is a property list that anybody may have written: of each
// key a list may make what it likes.
func FuzzJob(f *testing.F) {
	for _, text := range []string{
		`{Label = a; ProgramArguments = (b, c); EnvironmentVariables = {A = b; C = (d); }; StartCalendarInterval = ({Hour = 3; }, {Weekday = 8; }); MachServices = {a = 1; }; }`,
		`{Label = (a); Program = {}; ProgramArguments = a; UserName = <00>; KeepAlive = {x = y; }; StartInterval = -1; Sockets = (a, b); StartCalendarInterval = {Minute = 99999999999999999999; }; BundleProgram = "../x"; }`,
		`<plist><dict><key>Label</key><true/><key>WatchPaths</key><array><dict/></array><key>StartInterval</key><real>1e300</real></dict></plist>`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := plist.Decode(b)
		if err != nil || list.Kind != plist.Dict {
			return
		}
		j := &job{path: "/Library/LaunchDaemons/x.plist", kind: kindDaemon, scope: scopeAll, list: list, disabled: &overrides{set: map[string]map[string]bool{}, numbers: map[string]string{}}}
		_, _, _, _ = j.user(), j.program(), j.command(), j.off()
		_ = j.disabled.users(j.label())
		for _, key := range []string{"ProgramArguments", "WatchPaths", "MachServices", "Sockets", "StartCalendarInterval", "EnvironmentVariables"} {
			v := list.Get(key)
			_, _, _ = texts(v), names(v), calendar(v)
		}
	})
}
