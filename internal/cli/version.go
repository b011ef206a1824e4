package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Run shows the version as the build recorded it.
func (versionCommand) Run(a *app) error {
	_, err := fmt.Fprintf(a.Out, "quaestor %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

// version gives the version and the revision that the build recorded.
func version() string {
	version, revision := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	return version + revision
}
