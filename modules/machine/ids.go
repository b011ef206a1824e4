package machine

import (
	"bytes"
	"encoding/hex"

	"github.com/quaestor-engine/quaestor/modules/table"
)

// An idNames is the host's own list of vendors and products, which is read
// when it is first asked.
type idNames struct {
	files  []string
	read   bool
	byName map[string]string // vendor, or vendor:product
}

// idFiles are the places where systems have such a list.
func idFiles(name string) []string {
	return []string{"/usr/share/hwdata/" + name, "/usr/share/misc/" + name, "/var/lib/usbutils/" + name}
}

// find gives what an identifier is called; a host without a list has no names.
func (n *idNames) find(s *table.Scan, id string) string {
	if !n.read {
		n.read = true
		for _, name := range n.files {
			if text, ok := s.FS.Get(name); ok {
				n.byName = parseIDs(text)
				break
			}
		}
	}
	return n.byName[id]
}

func vendorName(s *table.Scan, d *device) string { return d.names.find(s, d.vendorID) }

func productName(s *table.Scan, d *device) string {
	return d.names.find(s, d.vendorID+":"+d.product)
}

// maxIDs bounds the names of a list; pci.ids has 20,000 vendors and products.
const maxIDs = 200_000

// parseIDs reads pci.ids and usb.ids: a vendor's number and name, and below it,
// after a tabulator, those of its products. What comes after the vendors has
// letters in front, and subsystems two tabulators; both are left out.
func parseIDs(text []byte) map[string]string {
	names := map[string]string{}
	vendor := ""
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		inner := bytes.HasPrefix(line, []byte("\t"))
		line = bytes.TrimPrefix(line, []byte("\t"))
		if len(line) < 7 || line[4] != ' ' || line[5] != ' ' || !isHex(line[:4]) {
			if !inner && len(line) > 0 && line[0] != '#' {
				vendor = ""
			}
			continue
		}
		id, name := string(bytes.ToLower(line[:4])), string(bytes.TrimSpace(line[6:]))
		switch {
		case len(names) >= maxIDs:
			return names
		case !inner:
			vendor = id
			names[id] = name
		case vendor != "":
			names[vendor+":"+id] = name
		}
	}
	return names
}

func isHex(b []byte) bool {
	_, err := hex.DecodeString(string(b))
	return err == nil
}
