//go:build linux && !amd64 && !arm64

package sandbox

const (
	nativeArch = 0 // there is no list for it
	plainOpen  = 0
)

func ownCalls() []uint32 { return nil }
