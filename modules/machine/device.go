package machine

import (
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A device is one of a bus: its directory in /sys and what is asked of most.
type device struct {
	name, dir         string
	vendorID, product string   // four hexadecimal digits each
	class             string   // six hexadecimal digits, or two of USB
	drivers           []string // of USB each interface has one
	interfaces        []string // the words for the classes of the interfaces
	names             *idNames // what the host's list calls vendors and products
}

func usbs() modules.Module {
	return table.New(modules.Schema{
		Name: "usb", Key: "name",
		Doc:     "The USB devices that are plugged in.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of places", Example: "1-*"},
	}, append(commonColumns("Where it is plugged in: the bus and the ports, as in 1-2.4."),
		deviceText("vendor", "Who made it, as it says itself, or else as the host's list of vendors has it.", "manufacturer", vendorName).Shown(),
		deviceText("product", "What it is, as it says itself, or else as the host's list of products has it.", "product", productName).Shown(),
		deviceText("serial", "Its serial number, as it says itself.", "serial", nil).Shown(),
		table.Text("class", "What it is for, as in hub or mass_storage; in_interfaces where its interfaces say.", func(d *device) string { return usbClass(d.class) }).Shown(),
		table.Texts("interfaces", "What its interfaces are for, in their order, as in human_interface.", func(d *device) []string { return d.interfaces }).Shown(),
		table.Texts("drivers", "The drivers of its interfaces, in their order, without doubles.", func(d *device) []string { return d.drivers }).Shown(),
		deviceText("revision", "The version of the device, as in 0110 for 1.10.", "bcdDevice", nil),
		deviceText("speed", "How many megabits it may transfer in a second.", "speed", nil),
		deviceText("bus", "The number of its bus.", "busnum", nil),
		deviceText("address", "The number of the device on its bus.", "devnum", nil),
		deviceText("removable", "Whether it can be taken out: removable, fixed or unknown.", "removable", nil),
		deviceFlag("authorized", "Whether the host uses it.", "authorized"),
		table.Text("path", "Its directory in /sys.", func(d *device) string { return d.dir }).To("file"),
	), listUSB)
}

func pcis() modules.Module {
	return table.New(modules.Schema{
		Name: "pci", Key: "name",
		Doc:     "The PCI devices of the machine.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of addresses", Example: "0000:00:*"},
	}, append(commonColumns("Its address: domain, bus, device and function, as in 0000:00:1f.2."),
		deviceText("vendor", "Who made it, as the host's list of vendors has it.", "", vendorName).Shown(),
		deviceText("product", "What it is, as the host's list of products has it.", "", productName).Shown(),
		table.Text("class", "What it is for, as in network or storage.", func(d *device) string { return pciClass(d.class) }).Shown(),
		table.Text("class_id", "The same in six hexadecimal digits: class, subclass and interface.", func(d *device) string { return d.class }),
		table.Text("driver", "The driver that it is bound to.", func(d *device) string { return strings.Join(d.drivers, " ") }).Shown(),
		deviceHex("subsystem_vendor_id", "Who made the card, in four hexadecimal digits.", "subsystem_vendor", 4),
		deviceHex("subsystem_product_id", "What the card is, in four hexadecimal digits.", "subsystem_device", 4),
		deviceHex("revision", "The revision of the device, in two hexadecimal digits.", "revision", 2),
		table.Text("path", "Its directory in /sys.", func(d *device) string { return d.dir }).To("file"),
	), listPCI)
}

// commonColumns are the columns that begin a row of either bus.
func commonColumns(doc string) []table.Column[device] {
	return []table.Column[device]{
		table.Text("name", doc, func(d *device) string { return d.name }).Shown(),
		table.Text("vendor_id", "The number of who made it, in four hexadecimal digits.", func(d *device) string { return d.vendorID }).Shown(),
		table.Text("product_id", "The number of what it is, in four hexadecimal digits.", func(d *device) string { return d.product }).Shown(),
	}
}

// deviceText is a column of a file of a device, or of what is known otherwise.
func deviceText(name, doc, file string, otherwise func(*table.Scan, *device) string) table.Column[device] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, d *device) (value.Value, error) {
		text := ""
		if file != "" {
			text = strings.TrimSpace(fileText(s, path.Join(d.dir, file)))
		}
		if text == "" && otherwise != nil {
			text = otherwise(s, d)
		}
		return table.TextOf(text), nil
	}).Costs(modules.Read)
}

// deviceHex is a column of a file of a device that holds a number as in 0x1af4.
func deviceHex(name, doc, file string, digits int) table.Column[device] {
	return table.Computed(name, value.Text, doc, func(s *table.Scan, d *device) (value.Value, error) {
		return table.TextOf(hexFile(s, path.Join(d.dir, file), digits)), nil
	}).Costs(modules.Read)
}

// deviceFlag is a column of a file of a device that is 0 or 1.
func deviceFlag(name, doc, file string) table.Column[device] {
	return table.Computed(name, value.Bool, doc, func(s *table.Scan, d *device) (value.Value, error) {
		n, ok := fileNumber(s, path.Join(d.dir, file))
		return whether(n != 0, ok), nil
	}).Costs(modules.Read)
}

// hexFile reads a file with so many hexadecimal digits.
func hexFile(s *table.Scan, name string, digits int) string {
	text, ok := s.FS.Get(name)
	if !ok {
		return ""
	}
	word := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"))
	if len(word) != digits {
		s.Fail(name, hostfs.ErrMalformed)
		return ""
	}
	if _, err := hex.DecodeString(word); err != nil {
		s.Fail(name, hostfs.ErrMalformed)
		return ""
	}
	return word
}

// driver gives the driver that a directory of /sys is bound to.
func driver(s *table.Scan, dir string) string {
	link := path.Join(dir, "driver")
	if !s.FS.Exists(link) {
		return ""
	}
	to, err := s.FS.Readlink(link)
	if err != nil {
		s.Fail(link, err)
		return ""
	}
	return path.Base(to)
}

// listUSB gives the devices, of which each is followed by its interfaces: 1-2
// has 1-2:1.0 and 1-2:1.1.
func listUSB(s *table.Scan, yield func(*device) error) error {
	if !linux(s) {
		return nil
	}
	const bus = "/sys/bus/usb/devices"
	all := s.FS.List(bus)
	names := &idNames{files: idFiles("usb.ids")}
	for _, name := range all {
		dir := path.Join(bus, name)
		if strings.Contains(name, ":") {
			continue
		}
		d := device{name: name, dir: dir, names: names}
		d.vendorID, d.product = hexFile(s, dir+"/idVendor", 4), hexFile(s, dir+"/idProduct", 4)
		d.class = hexFile(s, dir+"/bDeviceClass", 2)
		if d.vendorID == "" && d.product == "" && !s.FS.Exists(dir+"/idVendor") {
			continue // it is gone
		}
		for _, part := range all {
			if !strings.HasPrefix(part, name+":") {
				continue
			}
			at := path.Join(bus, part)
			if c := usbClass(hexFile(s, at+"/bInterfaceClass", 2)); c != "" {
				d.interfaces = append(d.interfaces, c)
			}
			if dr := driver(s, at); dr != "" && !slices.Contains(d.drivers, dr) {
				d.drivers = append(d.drivers, dr)
			}
		}
		if err := yield(&d); err != nil {
			return err
		}
	}
	return nil
}

func listPCI(s *table.Scan, yield func(*device) error) error {
	if !linux(s) {
		return nil
	}
	const bus = "/sys/bus/pci/devices"
	names := &idNames{files: idFiles("pci.ids")}
	for _, name := range s.FS.List(bus) {
		dir := path.Join(bus, name)
		d := device{name: name, dir: dir, names: names}
		d.vendorID, d.product = hexFile(s, dir+"/vendor", 4), hexFile(s, dir+"/device", 4)
		d.class = hexFile(s, dir+"/class", 6)
		if dr := driver(s, dir); dr != "" {
			d.drivers = []string{dr}
		}
		if err := yield(&d); err != nil {
			return err
		}
	}
	return nil
}

// usbClass gives the word for a class of the USB specification, or its number.
func usbClass(id string) string {
	names := map[string]string{
		"00": "in_interfaces", "01": "audio", "02": "communications", "03": "human_interface", "05": "physical",
		"06": "image", "07": "printer", "08": "mass_storage", "09": "hub", "0a": "cdc_data", "0b": "smart_card",
		"0d": "content_security", "0e": "video", "0f": "healthcare", "10": "audio_video", "11": "billboard",
		"12": "type_c_bridge", "dc": "diagnostic", "e0": "wireless", "ef": "miscellaneous", "fe": "application", "ff": "vendor_specific",
	}
	if name, ok := names[id]; ok {
		return name
	}
	return id
}

// pciClass gives the word for a base class of the PCI specification, or its
// number.
func pciClass(id string) string {
	names := [...]string{
		"unclassified", "storage", "network", "display", "multimedia", "memory", "bridge", "communication", "system",
		"input", "docking", "processor", "serial_bus", "wireless", "intelligent", "satellite", "encryption", "signal", "accelerator",
	}
	if len(id) < 2 {
		return ""
	}
	n, err := strconv.ParseUint(id[:2], 16, 8)
	switch {
	case err != nil:
		return ""
	case int(n) < len(names):
		return names[n]
	case n == 0xff:
		return "vendor_specific"
	}
	return id[:2]
}
