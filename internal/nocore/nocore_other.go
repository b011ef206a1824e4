//go:build !linux && !darwin

package nocore

// Guard does nothing and says so.
func Guard() error { return ErrUnsupported }
