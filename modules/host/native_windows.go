package host

import (
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/quaestor-engine/quaestor/value"
)

// The keys of the registry that hold facts.
const (
	keyVersion = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	keyZone    = `SYSTEM\CurrentControlSet\Control\TimeZoneInformation`
	keyCPU     = `HARDWARE\DESCRIPTION\System\CentralProcessor\0`
	keyCrypto  = `SOFTWARE\Microsoft\Cryptography`
)

// native asks Windows for a fact.
func native(column string) (value.Value, error) {
	switch column {
	case "hostname":
		name, err := os.Hostname()
		return value.NewText(name), err
	case "os":
		return value.NewText(runtime.GOOS), nil
	case "distro":
		return value.NewText("windows"), nil
	case "version", "kernel":
		v := windows.RtlGetVersion()
		s := fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
		if column == "version" {
			return newVersion(s), nil
		}
		return value.NewText(s), nil
	case "distro_name":
		return registered(keyVersion, "ProductName")
	case "arch":
		return value.NewText(runtime.GOARCH), nil
	case "timezone":
		return registered(keyZone, "TimeZoneKeyName")
	case "cpu":
		return registered(keyCPU, "ProcessorNameString")
	case "machine_id":
		return registered(keyCrypto, "MachineGuid")
	case "addresses":
		return liveAddresses()
	case "mac_addresses":
		return liveMACs()
	}
	return number(column)
}

// number asks for the facts that are no text.
func number(column string) (value.Value, error) {
	switch column {
	case "uptime":
		return value.NewDuration(windows.DurationSinceBoot()), nil
	case "boot_time":
		return value.NewTime(time.Now().Add(-windows.DurationSinceBoot())), nil
	case "cpus":
		return value.NewInt(int64(windows.GetActiveProcessorCount(windows.ALL_PROCESSOR_GROUPS))), nil
	case "memory":
		return physicalMemory()
	case "container", "virtualisation", "init":
		return value.Value{}, nil // of Linux
	}
	return value.Value{}, errUnsupported
}

// registered gives a text of the registry.
func registered(key, name string) (value.Value, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return value.Value{}, fmt.Errorf("%s: %w", key, err)
	}
	defer k.Close()
	s, _, err := k.GetStringValue(name)
	if err != nil {
		return value.Value{}, fmt.Errorf("%s: %s: %w", key, name, err)
	}
	return value.NewText(s), nil
}

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                uint32
	total, available            uint64
	pageTotal, pageAvailable    uint64
	virtualTotal, virtualUnused uint64
	extended                    uint64
}

func physicalMemory() (value.Value, error) {
	s := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, err := call.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return value.Value{}, fmt.Errorf("GlobalMemoryStatusEx: %w", err)
	}
	return value.NewSize(int64(s.total)), nil
}
