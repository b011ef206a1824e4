//go:build !linux

package file

import (
	"context"
	"errors"
	"runtime"

	"github.com/quaestor-engine/quaestor/modules"
)

// Watch refuses: see modules.Schema.Watch.
func (m *module) Watch(context.Context, *modules.Request, func(modules.Row) error) error {
	return errors.New("file: " + runtime.GOOS + " cannot be watched: this needs inotify, which Linux has")
}
