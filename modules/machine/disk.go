package machine

import (
	"path"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A disk is a block device as a whole. What the host does not say of it is
// empty or nil.
type disk struct {
	name, number, source string
	dir                  string // its directory in /sys; "" where there is none
	sectors              *int64 // of 512 bytes
}

// sector is the unit in which the kernel counts, whatever the device does.
const sector = 512

func disks() modules.Module {
	return table.New(modules.Schema{
		Name: "disk", Key: "name",
		Doc:     "The block devices of the machine that runs: disks, loops, and those made of others.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "sd*"},
	}, append([]table.Column[disk]{
		table.Text("name", "Its name, as in sda.", func(d *disk) string { return d.name }).Shown(),
		table.Text("device", "Its file.", func(d *disk) string { return "/dev/" + d.name }).To("file"),
		table.Text("device_number", "Its major and minor number, as in 8:0.", func(d *disk) string { return d.number }),
		table.Value("size", value.Size, "How many bytes it holds.", func(d *disk) value.Value {
			if d.sectors == nil {
				return value.Value{}
			}
			return value.NewSize(*d.sectors * sector)
		}).Shown(),
		diskText("vendor", "Who made it.", "device/vendor"),
		diskText("model", "Its model.", "device/model").Shown(),
		table.Computed("serial", value.Text, "Its serial number.", func(s *table.Scan, d *disk) (value.Value, error) {
			return table.TextOf(diskSerial(s, d)), nil
		}).Costs(modules.Read).Shown(),
		diskText("wwid", "The name that it has everywhere.", "wwid", "device/wwid"),
		diskFlag("removable", "Whether it, or what is in it, can be taken out.", "removable").Shown(),
		diskFlag("rotational", "Whether it turns, or is not known not to.", "queue/rotational"),
		diskFlag("read_only", "Whether nothing can be written to it.", "ro").Shown(),
	}, diskParts()...), listDisks)
}

// diskParts makes the columns about what a disk is made of and made into.
func diskParts() []table.Column[disk] {
	return []table.Column[disk]{
		table.Computed("partitions", value.List, "The names of its partitions.", func(s *table.Scan, d *disk) (value.Value, error) {
			if d.dir == "" {
				return value.Value{}, nil
			}
			var list []string
			for _, name := range s.FS.List(d.dir) {
				if s.FS.Exists(path.Join(d.dir, name, "partition")) {
					list = append(list, strings.ReplaceAll(name, "!", "/"))
				}
			}
			return table.ListOf(list, value.NewText), nil
		}).Of(value.Text).Costs(modules.Read).Shown(),
		diskNames("made_of", "The names of the devices that it is made of, as a volume is.", "slaves"),
		diskNames("holders", "The names of the devices that are made of it as a whole.", "holders"),
		diskText("backing_file", "The file that stands for a loop.", "loop/backing_file").To("file"),
		diskText("mapped_name", "The name of a mapped device, as in vg-root.", "dm/name"),
		diskText("mapped_id", "The identifier of a mapped device, which begins with what made it, as in CRYPT-LUKS2.", "dm/uuid"),
		table.Text("source", "Where this was read.", func(d *disk) string { return d.source }).To("file"),
	}
}

// diskText is a column of the first of some files of a disk that says something.
func diskText(name, doc string, files ...string) table.Column[disk] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, d *disk) (value.Value, error) {
		for _, f := range files {
			if text := d.text(s, f); text != "" {
				return value.NewText(text), nil
			}
		}
		return value.Value{}, nil
	}).Costs(modules.Read)
}

// diskFlag is a column of a file of a disk that is 0 or 1.
func diskFlag(name, doc, file string) table.Column[disk] {
	return table.Computed(name, value.Bool, doc, func(s *table.Scan, d *disk) (value.Value, error) {
		if d.dir == "" {
			return value.Value{}, nil
		}
		n, ok := fileNumber(s, path.Join(d.dir, file))
		return whether(n != 0, ok), nil
	}).Costs(modules.Read)
}

// diskNames is a column of the names in a directory of a disk.
func diskNames(name, doc, dir string) table.Column[disk] {
	return table.Computed(name, value.List, doc, func(s *table.Scan, d *disk) (value.Value, error) {
		if d.dir == "" {
			return value.Value{}, nil
		}
		return table.ListOf(s.FS.List(path.Join(d.dir, dir)), value.NewText), nil
	}).Of(value.Text).Costs(modules.Read)
}

// text reads a file of a disk.
func (d *disk) text(s *table.Scan, file string) string {
	if d.dir == "" {
		return ""
	}
	return strings.TrimSpace(fileText(s, path.Join(d.dir, file)))
}

// diskSerial gives the serial number, which for SCSI is in a page of vital
// product data: four bytes, of which the last is a length, and the number.
func diskSerial(s *table.Scan, d *disk) string {
	for _, file := range []string{"serial", "device/serial"} {
		if text := d.text(s, file); text != "" {
			return text
		}
	}
	if d.dir == "" {
		return ""
	}
	name := path.Join(d.dir, "device/vpd_pg80")
	page, ok := s.FS.Get(name)
	if !ok {
		return ""
	}
	serial, ok := vitalSerial(page)
	if !ok {
		s.Fail(name, hostfs.ErrMalformed)
	}
	return serial
}

// vitalSerial reads page 0x80 of vital product data.
func vitalSerial(page []byte) (string, bool) {
	if len(page) < 4 || page[1] != 0x80 {
		return "", false
	}
	n := int(page[2])<<8 | int(page[3])
	if n > len(page)-4 {
		return "", false
	}
	return strings.Trim(string(page[4:4+n]), " \x00"), true
}

// listDisks goes through /sys/block; a tree without it may have the list that
// /proc has, in which partitions stand as well.
func listDisks(s *table.Scan, yield func(*disk) error) error {
	if !linux(s) {
		return nil
	}
	names := s.FS.List("/sys/block")
	if len(names) == 0 {
		const list = "/proc/partitions"
		text, _ := s.FS.Get(list)
		return each(parsePartitions(list, text, malformed(s)), yield)
	}
	for _, name := range names {
		dir := path.Join("/sys/block", name)
		d := disk{name: strings.ReplaceAll(name, "!", "/"), dir: dir, source: dir, number: fileText(s, dir+"/dev")}
		if n, ok := fileNumber(s, dir+"/size"); ok {
			if n >= 0 && n < 1<<54 {
				d.sectors = &n
			} else {
				s.Fail(dir+"/size", hostfs.ErrMalformed)
			}
		}
		if err := yield(&d); err != nil {
			return err
		}
	}
	return nil
}

// parsePartitions reads /proc/partitions: after a line of titles, the major and
// minor number, how many blocks of 1024 bytes, and the name.
func parsePartitions(name string, text []byte, bad complaint) []disk {
	var list []disk
	for n, line := range table.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "major" {
			continue
		}
		if len(f) != 4 {
			bad(at(name, n))
			continue
		}
		_, err1 := strconv.ParseUint(f[0], 10, 32)
		_, err2 := strconv.ParseUint(f[1], 10, 32)
		blocks, err3 := strconv.ParseUint(f[2], 10, 53)
		if err1 != nil || err2 != nil || err3 != nil {
			bad(at(name, n))
			continue
		}
		sectors := int64(blocks) * 2
		list = append(list, disk{name: strings.ReplaceAll(f[3], "!", "/"), number: f[0] + ":" + f[1], source: name, sectors: &sectors})
	}
	return list
}
