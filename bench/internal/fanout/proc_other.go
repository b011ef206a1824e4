//go:build !linux

package fanout

import (
	"errors"
	"time"
)

var errLinux = errors.New("only Linux is measured")

func spent() (time.Duration, error) { return 0, errLinux }
func resident() (int64, error)      { return 0, errLinux }
