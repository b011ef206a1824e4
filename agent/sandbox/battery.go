package sandbox

import (
	"os"
	"path/filepath"
	"strings"
)

// Supply says what a machine lives on.
type Supply byte

// The supplies; the zero Supply is that nobody can say, as where the machine
// has no battery, or the system is none that is asked.
const (
	Mains Supply = iota + 1
	Battery
)

// String gives the word.
func (s Supply) String() string {
	switch s {
	case Mains:
		return "mains"
	case Battery:
		return "battery"
	}
	return "unknown"
}

// powerDir is where Linux tells of supplies.
const powerDir = "sys/class/power_supply"

// maxSupplies bounds the supplies that are looked at: mice and pens have one,
// too.
const maxSupplies = 64

// supplyOf says what the machine with a root lives on: its battery, where it
// has one that is being used up and no mains that are there.
func supplyOf(root string) Supply {
	dir := localName(root, powerDir)
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	supply := Supply(0)
	for _, e := range list[:min(len(list), maxSupplies)] {
		word := func(name string) string { return strings.ToLower(dmi(filepath.Join(dir, e.Name()), name)) }
		switch kind := word("type"); {
		case word("scope") == "device": // of a mouse
		case kind == "mains" || kind == "usb" || kind == "wireless":
			if word("online") == "1" {
				return Mains
			}
		case kind == "battery" && word("present") != "0":
			if status := word("status"); status == "discharging" {
				supply = Battery
			} else if status != "" && supply == 0 {
				supply = Mains // it is charged, or full
			}
		}
	}
	return supply
}
