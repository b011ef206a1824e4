package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// release is the version that who builds the program gives it, with
// -ldflags "-X main.release=1.4.0"; "" leaves it to the module's.
var release string

// version is what the program calls itself.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasPrefix(info.Main.Version, "v") {
		return "0.0.0"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

type versionCommand struct{}

// Run shows the version.
func (versionCommand) Run(s *system) error {
	_, err := fmt.Fprintf(s.out, "quaestor-agent %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}
