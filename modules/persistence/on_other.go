//go:build !linux

package persistence

import "runtime"

// onLinux says whether the live machine is one that these modules know.
const onLinux = false

// onMac says whether it is one of which cron and startup know the places.
const onMac = runtime.GOOS == "darwin"
