package process

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// The places that parseWinProcesses reads are those that package windows has.
// Whoever compiles this has checked it: an index that is not 0 is no index.
var (
	spi windows.SYSTEM_PROCESS_INFORMATION
	pbi windows.PROCESS_BASIC_INFORMATION
	mbi windows.MemoryBasicInformation

	_ = [1]int{}[unsafe.Sizeof(spi)-winHead]
	_ = [1]int{}[unsafe.Offsetof(spi.CreateTime)-0x20]
	_ = [1]int{}[unsafe.Offsetof(spi.ImageName)-0x38]
	_ = [1]int{}[unsafe.Offsetof(spi.UniqueProcessID)-0x50]
	_ = [1]int{}[unsafe.Offsetof(spi.HandleCount)-0x60]
	_ = [1]int{}[unsafe.Offsetof(spi.VirtualSize)-0x78]
	_ = [1]int{}[unsafe.Offsetof(spi.WorkingSetSize)-0x90]
	_ = [1]int{}[unsafe.Offsetof(pbi.PebBaseAddress)-basicPEB]
	_ = [1]int{}[unsafe.Sizeof(mbi)-48]
	_ = [1]int{}[unsafe.Offsetof(windows.PEB{}.ProcessParameters)-pebParameters]
	_ = [1]int{}[unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.CurrentDirectory)-parametersFolder]
	_ = [1]int{}[unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.Environment)-parametersEnv]
	_ = [1]int{}[unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.EnvironmentSize)-environmentSize]
)
