package machine

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

func TestDisk(t *testing.T) {
	root := tree(t, map[string]string{
		"sys/block/sda":                        "->../devices/pci/sda",
		"sys/devices/pci/sda/dev":              "8:0\n",
		"sys/devices/pci/sda/size":             "2048\n",
		"sys/devices/pci/sda/removable":        "1\n",
		"sys/devices/pci/sda/ro":               "0\n",
		"sys/devices/pci/sda/queue/rotational": "x\n",
		"sys/devices/pci/sda/device/model":     "Disk 3000    \n",
		"sys/devices/pci/sda/device/vendor":    "ACME\n",
		"sys/devices/pci/sda/device/vpd_pg80":  "\x00\x80\x00\x06 S123 more",
		"sys/devices/pci/sda/sda1/partition":   "1\n",
		"sys/devices/pci/sda/sda2/partition":   "2\n",
		"sys/devices/pci/sda/holders/dm-0/":    "",
		"sys/block/cciss!c0d0/size":            "-5\n",
		"sys/block/cciss!c0d0/device/vpd_pg80": "\x00\x80\x00\x06",
		"sys/block/dm-0/size":                  "1\n",
		"sys/block/dm-0/dm/name":               "vg-root\n",
		"sys/block/dm-0/dm/uuid":               "LVM-1\n",
		"sys/block/dm-0/slaves/sda/":           "",
		"sys/block/loop0/loop/backing_file":    "/tmp/x.img\n",
		"proc/partitions":                      "major minor  #blocks  name\n\n 8 0 1 no\n",
	})
	got, rec := moduletest.Rows(t, disks(), root, []string{"name", "device", "device_number", "size", "vendor", "model", "serial", "removable", "rotational", "read_only", "partitions", "made_of", "holders", "backing_file", "mapped_name", "mapped_id", "source"}, nil)
	same(t, got, []string{
		"cciss/c0d0 | /dev/cciss/c0d0 | null | null | null | null | null | null | null | null | [] | [] | [] | null | null | null | /sys/block/cciss!c0d0",
		"dm-0 | /dev/dm-0 | null | 512 | null | null | null | null | null | null | [] | [sda] | [] | null | vg-root | LVM-1 | /sys/block/dm-0",
		"loop0 | /dev/loop0 | null | null | null | null | null | null | null | null | [] | [] | [] | /tmp/x.img | null | null | /sys/block/loop0",
		"sda | /dev/sda | 8:0 | 1MiB | ACME | Disk 3000 | S123 | true | null | false | [sda1, sda2] | [] | [dm-0] | null | null | null | /sys/block/sda",
	})
	same(t, skipped(rec), []string{"io_error /sys/block/cciss!c0d0/size", "io_error /sys/block/cciss!c0d0/device/vpd_pg80", "io_error /sys/block/sda/queue/rotational"})
	moduletest.Run(t, disks(), root)
}

func TestDiskPartitions(t *testing.T) {
	root := tree(t, map[string]string{"proc/partitions": "major minor  #blocks  name\n\n   8        0  1024 sda\n   8 1 what sda1\n 8 1\n"})
	got, rec := moduletest.Rows(t, disks(), root, []string{"name", "device_number", "size", "removable", "partitions", "source"}, nil)
	same(t, got, []string{"sda | 8:0 | 1MiB | null | null | /proc/partitions"})
	same(t, skipped(rec), []string{"io_error /proc/partitions:4", "io_error /proc/partitions:5"})
}

// TestDiskLive compares with lsblk.
func TestDiskLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /sys here")
	}
	var out struct {
		Blockdevices []struct {
			Name, Model  string
			Size         int64
			RM, RO, ROTA bool
			MajMin       string `json:"maj:min"`
		}
	}
	if err := json.Unmarshal([]byte(tool(t, "lsblk", "--json", "--bytes", "--nodeps", "-o", "NAME,MODEL,SIZE,RM,RO,ROTA,MAJ:MIN")), &out); err != nil {
		t.Fatal(err)
	}
	rows, _ := moduletest.Rows(t, disks(), "", []string{"name", "device_number", "size", "model", "removable", "read_only", "rotational"}, nil)
	all := strings.Join(rows, "\n") + "\n"
	for _, b := range out.Blockdevices {
		model := b.Model
		if model == "" {
			model = "null"
		}
		if want := fmt.Sprintf("%s | %s | %s | %s | %t | %t | %t\n", b.Name, b.MajMin, value.NewSize(b.Size).String(), model, b.RM, b.RO, b.ROTA); !strings.Contains(all, want) {
			t.Errorf("no row %q in\n%s", want, all)
		}
	}
	t.Logf("%d devices compared", len(out.Blockdevices))
}

func FuzzDisks(f *testing.F) {
	f.Add([]byte("major minor  #blocks  name\n\n   8        0  1024 sda\n"))
	f.Add([]byte("\x00\x80\x00\x06 S123 more"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range parsePartitions("x", text, func(string) {}) {
			if *d.sectors < 0 {
				t.Error("less than nothing")
			}
		}
		vitalSerial(text)
	})
}
