package windows

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/modules/windows/hivetest"
)

func TestService(t *testing.T) {
	root := t.TempDir()
	hivetest.Write(t, root, map[string]string{"Windows/System32/config/SYSTEM": `
[Select]
Current = dword 1
[ControlSet001\Services\.NET CLR Data\Performance]
Library = sz netfxperf.dll
[ControlSet001\Services\Backdoor] 2026-11-20T10:00:00Z
Type = dword 0x10
Start = dword 2
DelayedAutostart = dword 1
ImagePath = expand C:\Program Files\Some Thing\svc.exe -k x
ObjectName = sz LocalSystem
DisplayName = sz A helper
Description = sz It helps
FailureCommand = sz C:\x.cmd
[ControlSet001\Services\Dhcp]
Type = dword 0x20
Start = dword 2
ImagePath = expand %SystemRoot%\system32\svchost.exe -k LocalServiceNetworkRestricted -p
[ControlSet001\Services\Dhcp\Parameters]
ServiceDll = expand %SystemRoot%\system32\dhcpcore.dll
[ControlSet001\Services\Disk]
Type = dword 1
Start = dword 0
[ControlSet001\Services\Interactive]
Type = dword 0x110
Start = dword 3
ImagePath = expand "C:\Program Files\gone\a b.exe" /s
[ControlSet001\Services\Odd]
Type = dword 0x10
Start = dword 77
ImagePath = sz \??\C:\Windows\Odd.exe
`})
	for _, name := range []string{"Program Files/Some Thing/svc.exe", "WINDOWS/x", "Windows/System32/svchost.exe", "Windows/System32/dhcpcore.dll", "Windows/System32/Drivers/disk.sys", "Windows/odd.exe"} {
		put(t, root, name, nil)
	}
	got, rec := moduletest.Rows(t, serviceModule(), root, []string{"name", "start", "delayed", "type", "program", "unquoted", "library", "account"}, nil)
	equal(t, got, rec, []string{
		`Backdoor | automatic | true | own_process | /Program Files/Some Thing/svc.exe | true | null | LocalSystem`,
		`Dhcp | automatic | false | shared_process | /Windows/System32/svchost.exe | false | /Windows/System32/dhcpcore.dll | null`,
		`Disk | boot | false | kernel_driver | /Windows/System32/Drivers/disk.sys | false | null | null`,
		`Interactive | manual | false | own_process | /Program Files/gone/a b.exe | false | null | null`,
		`Odd | null | false | own_process | /Windows/odd.exe | false | null | null`,
	}, nil)
	got, rec = moduletest.Rows(t, serviceModule(), root, []string{"display_name", "image_path", "description", "failure_command", "modified", "key"}, []string{"Back*"})
	equal(t, got, rec, []string{`A helper | C:\Program Files\Some Thing\svc.exe -k x | It helps | C:\x.cmd | 2026-11-20T10:00:00Z | HKLM\SYSTEM\CurrentControlSet\Services\Backdoor`}, nil)
	moduletest.Run(t, serviceModule(), root)
}
