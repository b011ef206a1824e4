package network

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// The places that parseWinRoutes reads are those that package windows has.
// Whoever compiles this has checked it: an index that is not 0 is no index.
var (
	row windows.MibIpForwardRow2

	_ = [1]int{}[unsafe.Sizeof(row)-104]
	_ = [1]int{}[unsafe.Offsetof(row.InterfaceIndex)-8]
	_ = [1]int{}[unsafe.Offsetof(row.DestinationPrefix)-12]
	_ = [1]int{}[unsafe.Offsetof(row.DestinationPrefix)+unsafe.Offsetof(row.DestinationPrefix.PrefixLength)-40]
	_ = [1]int{}[unsafe.Offsetof(row.NextHop)-44]
	_ = [1]int{}[unsafe.Offsetof(row.Metric)-84]
)
