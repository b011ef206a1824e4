package native

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Bounds of what the system is asked for, in bytes. A list of processes has
// some 100 kB for each thousand threads; a table of sockets 200 for each.
const (
	firstAnswer = 256 << 10
	maxAnswer   = 256 << 20
)

// The classes of System and Process, as winternl.h numbers them.
const (
	Processes          = 5  // of System: SYSTEM_PROCESS_INFORMATION
	ProcessBasic       = 0  // of Process: PROCESS_BASIC_INFORMATION
	ProcessCommandLine = 60 // of Process: a UNICODE_STRING
)

// grow calls ask with ever larger buffers until one is large enough, which
// one of the errors says that it is not.
func grow(first int, ask func(b []byte) error, small ...error) ([]byte, error) {
	for n := first; n <= maxAnswer; n *= 2 {
		b := make([]byte, n)
		err := ask(b)
		if err == nil {
			return b, nil
		}
		again := false
		for _, s := range small {
			again = again || errors.Is(err, s)
		}
		if !again {
			return nil, err
		}
	}
	return nil, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
}

// address gives that of a buffer, from which pointers in it are counted.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// System asks the kernel about the system, and gives the address at which it
// wrote its answer, for the pointers in it.
func System(class int32) (b []byte, at uint64, err error) {
	b, err = grow(firstAnswer, func(b []byte) error {
		return windows.NtQuerySystemInformation(class, unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), nil)
	}, windows.STATUS_INFO_LENGTH_MISMATCH, windows.STATUS_BUFFER_TOO_SMALL)
	return b, address(b), err
}

// Process asks the kernel about a process, as System does about the system.
func Process(h windows.Handle, class int32) (b []byte, at uint64, err error) {
	if class == ProcessBasic { // of which the size must be the right one
		b = make([]byte, unsafe.Sizeof(windows.PROCESS_BASIC_INFORMATION{}))
		err = windows.NtQueryInformationProcess(h, class, unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), nil)
		return b, address(b), err
	}
	b, err = grow(1<<10, func(b []byte) error {
		return windows.NtQueryInformationProcess(h, class, unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), nil)
	}, windows.STATUS_INFO_LENGTH_MISMATCH, windows.STATUS_BUFFER_TOO_SMALL, windows.STATUS_BUFFER_OVERFLOW)
	return b, address(b), err
}

// mappedFilename is MemoryMappedFilenameInformation.
const mappedFilename = 2

// MappedFile asks which file is mapped at an address of a process; the answer
// is a UNICODE_STRING with a path of the kernel's.
func MappedFile(h windows.Handle, place uint64) (b []byte, at uint64, err error) {
	b = make([]byte, 16+2*windows.MAX_LONG_PATH)
	call := windows.NewLazySystemDLL("ntdll.dll").NewProc("NtQueryVirtualMemory")
	status, _, _ := call.Call(uintptr(h), uintptr(place), mappedFilename, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0)
	if status != 0 {
		return nil, 0, windows.NTStatus(status)
	}
	return b, address(b), nil
}

// The classes of Sockets that have all that owns a socket, as iprtrmib.h
// numbers them.
const (
	tcpOwnerModuleAll = 8
	udpOwnerModule    = 2
)

// Sockets asks for a table of sockets with those who own them: of "tcp" or
// "udp", of the family windows.AF_INET or AF_INET6.
func Sockets(protocol string, family uint32) ([]byte, error) {
	name, class := "GetExtendedTcpTable", uintptr(tcpOwnerModuleAll)
	if protocol == "udp" {
		name, class = "GetExtendedUdpTable", udpOwnerModule
	}
	call := windows.NewLazySystemDLL("iphlpapi.dll").NewProc(name)
	return grow(firstAnswer, func(b []byte) error {
		size := uint32(len(b))
		code, _, _ := call.Call(uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(&size)), 0, uintptr(family), class, 0)
		if code != 0 {
			return windows.Errno(code)
		}
		return nil
	}, windows.ERROR_INSUFFICIENT_BUFFER)
}

// Sizes of the rows of the tables that the IP helper allocates, and what
// stands before the first.
const (
	neighbourRow = 88
	tableHead    = 8
)

// Neighbours asks for the MIB_IPNET_TABLE2 of both families.
func Neighbours() ([]byte, error) {
	call := windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetIpNetTable2")
	var table *byte
	if code, _, _ := call.Call(windows.AF_UNSPEC, uintptr(unsafe.Pointer(&table))); code != 0 {
		return nil, windows.Errno(code)
	}
	defer windows.FreeMibTable(unsafe.Pointer(table))
	return copied(table, neighbourRow), nil
}

// Routes asks for the MIB_IPFORWARD_TABLE2 of both families.
func Routes() ([]byte, error) {
	var table *windows.MibIpForwardTable2
	if err := windows.GetIpForwardTable2(windows.AF_UNSPEC, &table); err != nil {
		return nil, err
	}
	defer windows.FreeMibTable(unsafe.Pointer(table))
	return copied((*byte)(unsafe.Pointer(table)), int(unsafe.Sizeof(windows.MibIpForwardRow2{}))), nil
}

// copied takes a table, which begins with the number of its rows.
func copied(table *byte, row int) []byte {
	n := *(*uint32)(unsafe.Pointer(table))
	size := min(tableHead+int(n)*row, maxAnswer)
	return append([]byte(nil), unsafe.Slice(table, size)...)
}

// streamData is the size of a WIN32_FIND_STREAM_DATA: a length in 8 bytes and
// a name of at most 296 characters of 16 bits.
const streamData = 8 + 2*296

// Streams calls yield with the WIN32_FIND_STREAM_DATA of each stream of a
// file, until that gives false.
func Streams(path string, yield func(data []byte) bool) error {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	kernel := windows.NewLazySystemDLL("kernel32.dll")
	b := make([]byte, streamData)
	found, _, err := kernel.NewProc("FindFirstStreamW").Call(uintptr(unsafe.Pointer(name)), 0, uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0)
	if windows.Handle(found) == windows.InvalidHandle {
		if errors.Is(err, windows.ERROR_HANDLE_EOF) {
			return nil // a directory, or a file system, without any
		}
		return err
	}
	defer windows.FindClose(windows.Handle(found))
	next := kernel.NewProc("FindNextStreamW")
	for yield(b) {
		if ok, _, err := next.Call(found, uintptr(unsafe.Pointer(unsafe.SliceData(b)))); ok == 0 {
			if errors.Is(err, windows.ERROR_HANDLE_EOF) {
				return nil
			}
			return err
		}
	}
	return nil
}

// An Adapter is what the IP helper says of an interface's names.
type Adapter struct {
	Name    string
	Suffix  string   // the domain of the connection; may be ""
	Servers []net.IP // of names
}

// Adapters asks for the interfaces that are there.
func Adapters() ([]Adapter, error) {
	b, err := grow(16<<10, func(b []byte) error {
		size := uint32(len(b))
		return windows.GetAdaptersAddresses(windows.AF_UNSPEC, windows.GAA_FLAG_SKIP_ANYCAST|windows.GAA_FLAG_SKIP_MULTICAST,
			0, (*windows.IpAdapterAddresses)(unsafe.Pointer(unsafe.SliceData(b))), &size)
	}, windows.ERROR_BUFFER_OVERFLOW)
	if errors.Is(err, windows.ERROR_NO_DATA) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Adapter
	for a := (*windows.IpAdapterAddresses)(unsafe.Pointer(unsafe.SliceData(b))); a != nil; a = a.Next {
		one := Adapter{Name: windows.UTF16PtrToString(a.FriendlyName), Suffix: windows.UTF16PtrToString(a.DnsSuffix)}
		for s := a.FirstDnsServerAddress; s != nil; s = s.Next {
			one.Servers = append(one.Servers, slices.Clone(s.Address.IP()))
		}
		list = append(list, one)
	}
	runtime.KeepAlive(b)
	return list, nil
}

// AccountName gives the name of an account, with its domain before it where
// that is not this machine; "" for one that is not there any more. The system
// may ask the domain for it.
func AccountName(sid *windows.SID) string {
	name, domain, _, err := sid.LookupAccount("")
	if err != nil {
		return ""
	}
	if here, err := windows.ComputerName(); domain == "" || err == nil && strings.EqualFold(domain, here) {
		return name
	}
	return domain + `\` + name
}
