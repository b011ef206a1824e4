package file

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/value"
)

// An origin is where a file came from, as whoever fetched it wrote beside it:
// browsers and mailers on Windows into the stream Zone.Identifier, those of
// macOS into the attributes quarantine and kMDItemWhereFroms, and some of
// Linux into xdg.origin.url. Nobody has to, and anybody may change it.
type origin struct {
	url, referrer, agent, quarantine string
	at                               time.Time
	zone                             value.Value
}

// originNames are the attributes that readOrigin understands, without what
// Linux puts before those of its own (user.) and of a volume of macOS (osx.).
func originNames() []string {
	return []string{"xdg.origin.url", "xdg.referrer.url", "Zone.Identifier", "com.apple.quarantine", "com.apple.metadata:kMDItemWhereFroms"}
}

// readOrigin reads those of the named attributes that say where a file came
// from.
func readOrigin(names []string, get func(name string) ([]byte, error)) (o origin, err error) {
	for _, name := range names {
		plain := strings.TrimPrefix(strings.TrimPrefix(name, "user."), "osx.")
		if !slices.Contains(originNames(), plain) {
			continue
		}
		b, failed := get(name)
		if failed != nil {
			err = failed
			continue
		}
		o.add(plain, b)
	}
	return o, err
}

func (o *origin) add(name string, b []byte) {
	switch name {
	case "xdg.origin.url":
		o.url = string(b)
	case "xdg.referrer.url":
		o.referrer = string(b)
	case "Zone.Identifier":
		o.zoneIdentifier(iniText(b))
	case "com.apple.quarantine":
		o.quarantined(string(b))
	default:
		o.whereFroms(b)
	}
}

// zoneIdentifier reads an INI of one section: ZoneId, from 0, which is this
// computer, to 4, and where from.
func (o *origin) zoneIdentifier(text string) {
	for line := range strings.Lines(text) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.ToLower(name) {
		case "zoneid":
			if n, err := strconv.ParseInt(v, 10, 32); err == nil {
				o.zone = value.NewInt(n)
			}
		case "hosturl":
			o.url = v
		case "referrerurl":
			o.referrer = v
		}
	}
}

// iniText takes the mark of UTF-8 off, or reads UTF-16 with its own.
func iniText(b []byte) string {
	if len(b) < 2 || b[0] != 0xff || b[1] != 0xfe {
		return strings.TrimPrefix(string(b), "\ufeff")
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i])|uint16(b[i+1])<<8)
	}
	return string(utf16.Decode(units))
}

// quarantined reads flags;time;agent;identity, the first two in hexadecimal
// digits.
func (o *origin) quarantined(text string) {
	o.quarantine = strings.TrimRight(text, "\x00")
	parts := strings.Split(o.quarantine, ";")
	if len(parts) < 3 {
		return
	}
	if n, err := strconv.ParseUint(parts[1], 16, 40); err == nil && n > 0 {
		o.at = time.Unix(int64(n), 0).UTC()
	}
	o.agent = parts[2]
}

// whereFroms reads a property list: where it was, and from where that was
// found.
func (o *origin) whereFroms(b []byte) {
	list, err := plist.Decode(b)
	if err != nil {
		return
	}
	froms := list.Texts()
	if len(froms) > 0 {
		o.url = froms[0]
	}
	if len(froms) > 1 {
		o.referrer = froms[1]
	}
}

// column gives one of the columns of where a file came from.
func (o *origin) column(i int) value.Value {
	text := map[int]string{colOriginURL: o.url, colOriginReferrer: o.referrer, colOriginAgent: o.agent, colQuarantine: o.quarantine}[i]
	switch {
	case i == colOriginZone:
		return o.zone
	case i == colOriginTime && !o.at.IsZero():
		return value.NewTime(o.at)
	case text == "":
		return value.Value{}
	}
	return value.NewText(text)
}

// windowsMarks names the attributes of a file of Windows, as winnt.h has them.
func windowsMarks(bits uint32) []string {
	return markNames(bits, map[int]string{
		0: "readonly", 1: "hidden", 2: "system", 5: "archive", 6: "device", 8: "temporary", 9: "sparse", 10: "reparse_point",
		11: "compressed", 12: "offline", 13: "not_content_indexed", 14: "encrypted", 15: "integrity_stream", 17: "no_scrub_data",
		19: "pinned", 20: "unpinned", 22: "recall_on_data_access",
	})
}

// macMarks names the flags of a file of macOS, as chflags does.
func macMarks(bits uint32) []string {
	return markNames(bits, map[int]string{
		0: "nodump", 1: "uchg", 2: "uappnd", 3: "opaque", 5: "compressed", 6: "tracked", 7: "datavault", 15: "hidden",
		16: "archived", 17: "schg", 18: "sappnd", 19: "restricted", 20: "sunlnk", 23: "firmlink", 30: "dataless",
	})
}

func markNames(bits uint32, names map[int]string) []string {
	list := []string{}
	for i := range 32 {
		if name := names[i]; bits>>i&1 != 0 && name != "" {
			list = append(list, name)
		}
	}
	return list
}
