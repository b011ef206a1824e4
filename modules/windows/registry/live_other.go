//go:build !windows

package registry

// live says whether the live machine has a registry.
const live = false

func (r *Registry) liveMounted(*Key, func(string) bool) []*Key { return nil }
