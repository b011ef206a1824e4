//go:build unix

package upgrade

import (
	"context"
	"os"
	"syscall"
)

// takePlace puts a program in the place of this one, in the same process: a
// service manager sees nothing of it. It returns with an error alone.
func (s *Starter) takePlace(_ context.Context, path string) error {
	return syscall.Exec(path, append([]string{path}, s.Args...), os.Environ())
}
