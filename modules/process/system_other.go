//go:build !linux && !windows && !darwin

package process

import "errors"

// asksSystem says that a live machine is asked by calls, not through /proc.
const asksSystem = true

// systemParts are the parts of processes that a live machine shows.
func systemParts() []string { return nil }

func snapshot(*lookout) ([]found, error) { return nil, errors.ErrUnsupported }
