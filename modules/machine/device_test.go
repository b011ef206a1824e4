package machine

import (
	"runtime"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const idList = "# a list\n0951  Kingston\n\t1666  DataTraveler\n\t\t0951 0001  card\n8086  Intel\n\t100e  Gigabit\nC 01  Storage\n\t1234  no\n"

func deviceTree(t testing.TB) string {
	usb, pci := "sys/bus/usb/devices/", "sys/bus/pci/devices/"
	return tree(t, map[string]string{
		usb + "1-2":                               "->../../../devices/usb/1-2",
		usb + "1-2:1.0":                           "->../../../devices/usb/1-2:1.0",
		usb + "1-2:1.1":                           "->../../../devices/usb/1-2:1.1",
		"sys/devices/usb/1-2/idVendor":            "0951\n",
		"sys/devices/usb/1-2/idProduct":           "1666\n",
		"sys/devices/usb/1-2/bDeviceClass":        "00\n",
		"sys/devices/usb/1-2/product":             "My Stick \n",
		"sys/devices/usb/1-2/serial":              "SN1\n",
		"sys/devices/usb/1-2/authorized":          "1\n",
		"sys/devices/usb/1-2/speed":               "480\n",
		"sys/devices/usb/1-2:1.0/bInterfaceClass": "08\n",
		"sys/devices/usb/1-2:1.0/driver":          "->../../../bus/usb/drivers/usb-storage",
		"sys/devices/usb/1-2:1.1/bInterfaceClass": "03\n",
		usb + "usb1/idVendor":                     "1d6b\n",
		usb + "usb1/idProduct":                    "wrong\n",
		usb + "usb1/bDeviceClass":                 "09\n",
		pci + "0000:00:03.0/vendor":               "0x8086\n",
		pci + "0000:00:03.0/device":               "0x100e\n",
		pci + "0000:00:03.0/class":                "0x020000\n",
		pci + "0000:00:03.0/revision":             "0x02\n",
		pci + "0000:00:03.0/subsystem_vendor":     "0x1af4\n",
		pci + "0000:00:03.0/driver":               "->../../../../bus/pci/drivers/e1000",
		pci + "0000:00:04.0/class":                "0x1\n",
		"usr/share/misc/usb.ids":                  idList,
		"usr/share/misc/pci.ids":                  idList,
	})
}

func TestUSB(t *testing.T) {
	root := deviceTree(t)
	got, rec := moduletest.Rows(t, usbs(), root, []string{"name", "vendor_id", "product_id", "vendor", "product", "serial", "class", "interfaces", "drivers", "speed", "authorized", "path"}, nil)
	same(t, got, []string{
		"1-2 | 0951 | 1666 | Kingston | My Stick | SN1 | in_interfaces | [mass_storage, human_interface] | [usb-storage] | 480 | true | /sys/bus/usb/devices/1-2",
		"usb1 | 1d6b | null | null | null | null | hub | [] | [] | null | null | /sys/bus/usb/devices/usb1",
	})
	same(t, skipped(rec), []string{"io_error /sys/bus/usb/devices/usb1/idProduct"})
	moduletest.Run(t, usbs(), root)
}

func TestPCI(t *testing.T) {
	root := deviceTree(t)
	got, rec := moduletest.Rows(t, pcis(), root, []string{"name", "vendor_id", "product_id", "vendor", "product", "class", "class_id", "driver", "subsystem_vendor_id", "revision"}, nil)
	same(t, got, []string{
		"0000:00:03.0 | 8086 | 100e | Intel | Gigabit | network | 020000 | e1000 | 1af4 | 02",
		"0000:00:04.0 | null | null | null | null | null | null | null | null | null",
	})
	same(t, skipped(rec), []string{"io_error /sys/bus/pci/devices/0000:00:04.0/class"})
	moduletest.Run(t, pcis(), root)
}

// TestPCILive compares with lspci.
func TestPCILive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /sys here")
	}
	var want []string
	for line := range strings.Lines(tool(t, "lspci", "-D", "-n")) {
		if f := strings.Fields(line); len(f) > 2 { // 0000:00:00.0 0600: 8086:1237
			want = append(want, f[0]+" | "+strings.Replace(f[2], ":", " | ", 1))
		}
	}
	got, _ := moduletest.Rows(t, pcis(), "", []string{"name", "vendor_id", "product_id"}, nil)
	same(t, got, want)
}

// TestUSBLive compares with lsusb, which knows devices by bus and number.
func TestUSBLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /sys here")
	}
	want := strings.Count(tool(t, "lsusb"), "\n")
	if got, _ := moduletest.Rows(t, usbs(), "", []string{"name"}, nil); len(got) != want {
		t.Errorf("%d devices, not %d", len(got), want)
	}
}

func FuzzIDs(f *testing.F) {
	f.Add([]byte(idList))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := len(parseIDs(text)); n > len(text)/7+1 {
			t.Errorf("%d names of %d bytes", n, len(text))
		}
		usbClass(string(text))
		pciClass(string(text))
	})
}
