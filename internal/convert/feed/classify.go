package feed

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// refang mends what was written so that nobody clicks on it: hxxp, [.], (.),
// [dot], [:], [@].
func (c *collector) refang(value string, line int) string {
	mended := fangs.Replace(value)
	if i := strings.Index(mended, "://"); i > 0 {
		scheme := strings.ToLower(mended[:i])
		if real, ok := schemes[scheme]; ok {
			mended = real + mended[i:]
		}
	}
	if mended == value {
		return value
	}
	if c.mended++; c.mended <= maxMended {
		c.result.Notes = append(c.result.Notes, convert.Note{Line: line, Message: value + " is read as " + mended})
	}
	return mended
}

var fangs = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[.", ".", ".]", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".",
	"[:]", ":", "[://]", "://", "[:", ":", "[@]", "@", "[at]", "@", "(at)", "@", "[/]", "/",
)

var schemes = map[string]string{"hxxp": "http", "hxxps": "https", "h**p": "http", "h**ps": "https", "meow": "http", "fxp": "ftp", "hxtp": "http", "htxp": "http", "http": "http", "https": "https"}

var (
	hexDigits = regexp.MustCompile(`^[0-9A-Fa-f]+$`)
	hostName  = regexp.MustCompile(`^(?:[\pL\pN_](?:[\pL\pN_-]{0,61}[\pL\pN])?\.)+[\pL][\pL\pN-]{0,61}[\pL\pN]\.?$`)
	withPort  = regexp.MustCompile(`^(.+):([0-9]{1,5})$`)
	urlForm   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://[^\s]+$`)
	mailForm  = regexp.MustCompile(`^[^@\s/]+@[^@\s/]+\.[^@\s/]+$`)
	winPath   = regexp.MustCompile(`^(?:[A-Za-z]:\\|\\\\[^\\])`)
	hiveForm  = regexp.MustCompile(`^(?i:HKEY_[A-Z_]+|HKLM|HKCU|HKU|HKCR)\\`)
)

// programs are endings of files that no domain has, or hardly one.
var programs = map[string]bool{
	"exe": true, "dll": true, "sys": true, "bat": true, "cmd": true, "ps1": true, "vbs": true, "vbe": true, "js": true, "jse": true,
	"jar": true, "class": true, "doc": true, "docx": true, "docm": true, "xls": true, "xlsx": true, "xlsm": true, "rtf": true, "pdf": true,
	"lnk": true, "scr": true, "hta": true, "msi": true, "iso": true, "img": true, "php": true, "jsp": true, "jspx": true, "asp": true,
	"aspx": true, "ashx": true, "elf": true, "bin": true, "dat": true, "tmp": true, "txt": true, "log": true, "gz": true, "tar": true,
	"tgz": true, "rar": true, "7z": true, "deb": true, "rpm": true, "ko": true, "o": true, "conf": true, "service": true, "html": true, "htm": true,
	"xml": true, "json": true, "cfg": true, "ini": true, "cpl": true, "ocx": true, "wsf": true, "chm": true, "ps": true, "dylib": true, "plist": true,
}

// both are endings that files and domains have.
var both = map[string]bool{"sh": true, "py": true, "pl": true, "so": true, "zip": true, "com": true, "md": true, "app": true, "mov": true, "rs": true, "do": true}

// hashField gives the field of a hash by its digits; "" for none.
func hashField(v string) field {
	if !hexDigits.MatchString(v) {
		return ""
	}
	return map[int]field{32: fileMD5, 40: fileSHA1, 64: fileSHA256, 96: fileSHA384, 128: fileSHA512}[len(v)]
}

// guess adds an indicator whose kind the feed does not say. It says whether it
// is one.
func (c *collector) guess(x indicator) bool {
	x.value = c.refang(strings.TrimSpace(x.value), x.line)
	v := x.value
	switch {
	case hashField(v) != "":
		x.field = hashField(v)
	case c.address(x):
		return true
	case urlForm.MatchString(v):
		return c.url(x)
	case hiveForm.MatchString(v):
		x.field = registryKey
	case strings.HasPrefix(v, "/") && len(v) > 1 && !strings.HasPrefix(v, "//"), winPath.MatchString(v):
		x.field = filePath
	case mailForm.MatchString(v):
		x.field = networkText
	case hostName.MatchString(v):
		return c.hostOrFile(x)
	default:
		return false
	}
	c.add(x)
	return true
}

// hostOrFile tells a domain from a name of a file by its ending. What may be
// either is asked for as both, since a miss is worse than a doubt.
func (c *collector) hostOrFile(x indicator) bool {
	ending := strings.ToLower(x.value[strings.LastIndexByte(x.value, '.')+1:])
	labels := strings.Count(strings.TrimSuffix(x.value, "."), ".")
	if programs[ending] || both[ending] && labels == 1 && ending != "com" {
		y := x
		y.field = fileName
		c.add(y)
	}
	if !programs[ending] {
		x.field, x.value = networkText, strings.TrimSuffix(x.value, ".")
		c.add(x)
	}
	return true
}

// address adds an address, a network, or an address with a port.
func (c *collector) address(x indicator) bool {
	if a, err := netip.ParseAddr(strings.Trim(x.value, "[]")); err == nil {
		x.field, x.value = remote, a.WithZone("").Unmap().String()
		c.add(x)
		return true
	}
	if p, err := netip.ParsePrefix(x.value); err == nil {
		x.field, x.value = remote, p.Masked().String()
		c.add(x)
		return true
	}
	m := withPort.FindStringSubmatch(x.value)
	if m == nil {
		return false
	}
	a, err := netip.ParseAddr(strings.Trim(m[1], "[]"))
	port, perr := strconv.ParseUint(m[2], 10, 16)
	if err != nil || perr != nil {
		return false
	}
	x.field, x.value = endpoint, record(a.WithZone("").Unmap().String(), strconv.FormatUint(port, 10))
	c.add(x)
	return true
}

// url adds a URL as a text, and its host as an address where it is one: a
// connection shows no more of it.
func (c *collector) url(x indicator) bool {
	_, rest, _ := strings.Cut(x.value, "://")
	host := rest
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	y := x
	if y.value = host; host != "" {
		c.address(y)
	}
	x.field = networkText
	c.add(x)
	return true
}
