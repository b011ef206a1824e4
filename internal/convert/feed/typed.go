package feed

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// kinds are the words for kinds of indicators that MISP, YETI and makers of
// CSV use, in lower case, and the field that each goes to. MISP's are those of
// https://www.misp-project.org/datamodels/.
var kinds = map[string]field{
	"md5": fileMD5, "sha1": fileSHA1, "sha256": fileSHA256, "sha384": fileSHA384, "sha512": fileSHA512, "sha3-256": fileSHA3,
	"filehash-md5": fileMD5, "filehash-sha1": fileSHA1, "filehash-sha256": fileSHA256, "hash_md5": fileMD5, "hash_sha1": fileSHA1, "hash_sha256": fileSHA256,
	"md5_hash": fileMD5, "sha1_hash": fileSHA1, "sha256_hash": fileSHA256, "malware-sample-md5": fileMD5,
	"filename": fileName, "file_name": fileName, "file-name": fileName,
	"process-name": processName, "process": processName, "command_line": processLine, "command-line": processLine, "cmdline": processLine,
	"regkey": registryKey, "registry_key": registryKey, "registry-key": registryKey, "windows-registry-key": registryKey,
	"x509-fingerprint-sha1": certSHA1, "x509-fingerprint-sha256": certSHA256,
	"user-agent": networkText, "user_agent": networkText, "uri": networkText, "email": networkText, "email-src": networkText, "email-dst": networkText,
	"email-addr": networkText, "email_address": networkText, "eppn": networkText,
	"pattern-in-file": fileContent, "pattern-in-memory": memoryString,
	"target-user": userName, "user-account": userName, "user_account": userName,
}

// guessed are the words for kinds that the value itself tells better.
var guessed = map[string]bool{
	"": true, "ip": true, "ip-src": true, "ip-dst": true, "ipv4": true, "ipv6": true, "ipv4-addr": true, "ipv6-addr": true, "ip-dst|port": true, "ip-src|port": true,
	"ip:port": true, "url": true, "link": true, "path": true, "file": true, "filepath": true, "file_path": true, "hash": true, "cidr": true, "network": true,
	"ioc": true, "indicator": true, "sha2": true,
}

// hostKinds are the words for names of hosts.
var hostKinds = map[string]bool{"domain": true, "hostname": true, "domain-name": true, "fqdn": true, "host": true}

// typed adds an indicator whose kind the feed says.
func (c *collector) typed(kind string, x indicator) {
	kind = strings.ToLower(strings.TrimSpace(kind))
	if front, back, ok := strings.Cut(kind, "|"); ok && !guessed[kind] {
		c.composite(front, back, x)
		return
	}
	switch {
	case strings.HasSuffix(kind, "|port"):
		x.value = strings.Replace(x.value, "|", ":", 1)
		if !c.guess(x) {
			c.cannot(kind, x.line)
		}
	case guessed[kind]:
		if !c.guess(x) {
			c.cannot(kindName(kind), x.line)
		}
	case hostKinds[kind]:
		x.field, x.value = networkText, strings.TrimSuffix(c.refang(x.value, x.line), ".")
		if !c.address(x) {
			c.add(x)
		}
	case kinds[kind] == networkText:
		x.field, x.value = networkText, c.refang(x.value, x.line)
		c.add(x)
	case kinds[kind] != "":
		c.checked(kind, kinds[kind], x)
	default:
		c.cannot(kind, x.line)
	}
}

func kindName(kind string) string {
	if kind == "" {
		return "values that are no indicator"
	}
	return kind
}

// checked adds an indicator if its value is one of the field's.
func (c *collector) checked(kind string, f field, x indicator) {
	x.field = f
	bad := false
	switch f {
	case fileMD5, fileSHA1, fileSHA256, fileSHA384, fileSHA512:
		bad = hashField(x.value) != f
	case fileSHA3:
		bad = hashField(x.value) != fileSHA256
	case certSHA1:
		bad = hashField(strings.ReplaceAll(x.value, ":", "")) != fileSHA1
	case certSHA256:
		bad = hashField(strings.ReplaceAll(x.value, ":", "")) != fileSHA256
	}
	if bad {
		c.cannot(kind+" that is none, such as "+shorten(x.value), x.line)
		return
	}
	c.add(x)
}

// composite adds an indicator of two that hold together, as MISP has them:
// filename|sha256, ip-dst|port, domain|ip, regkey|value.
func (c *collector) composite(front, back string, x indicator) {
	a, b, ok := strings.Cut(x.value, "|")
	switch {
	case !ok:
		c.cannot(front+"|"+back+" without a |", x.line)
	case x.context:
		c.context++
	case c.past(x.expires):
		c.expired++
	case back == "port":
		x.value = a + ":" + b
		c.typed("ip", x)
	case front == "domain" || front == "hostname":
		for _, v := range [...]string{a, b} {
			y := x
			y.value = v
			c.typed("domain", y)
		}
	case front == "filename" && kinds[back] != "" && hashField(b) == kinds[back]:
		column := strings.TrimPrefix(string(kinds[back]), "file.")
		c.pair(a, column, strings.ToLower(b))
	case front == "malware-sample" || front == "attachment":
		x.value = a
		c.typed("filename", x)
	case front == "regkey":
		c.alone("registry "+a, x.line, "FROM fleet WHERE os = \"windows\"\nFIND registry "+convert.Quote(a)+" WHERE value = "+convert.Quote(b)+" RETURN key, name, modified")
	default:
		c.cannot(front+"|"+back, x.line)
	}
}

// pair gathers a name of a file with its hash: both have to hold.
func (c *collector) pair(name, column, hash string) {
	c.add(indicator{field: pairsOf(column), value: record(name, hash)})
}

// alone adds a rule of one indicator.
func (c *collector) alone(name string, line int, queries ...string) *convert.Rule {
	c.result.Rules = append(c.result.Rules, convert.Rule{Name: name, Line: line, Outcome: convert.Whole, Queries: queries})
	return &c.result.Rules[len(c.result.Rules)-1]
}

// quoteContent turns what a feed gives for content into a text or bytes: {68 65} is
// hexadecimal, as MISP and OpenIOC write it.
func quoteContent(v string) string {
	digits := strings.NewReplacer("{", "", "}", "", " ", "").Replace(v)
	if b, err := hex.DecodeString(digits); err == nil && len(b) > 0 && strings.HasPrefix(strings.TrimSpace(v), "{") {
		return `x"` + hex.EncodeToString(b) + `"`
	}
	return convert.Quote(v)
}

// quoteAddress writes an address or a network as the language does; "" for
// what is none.
func quoteAddress(v string) string {
	if a, err := netip.ParseAddr(v); err == nil {
		return a.WithZone("").Unmap().String()
	}
	if p, err := netip.ParsePrefix(v); err == nil {
		return p.Masked().String()
	}
	return ""
}

// quoteNumber writes a number; "" for what is none.
func quoteNumber(v string) string {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 63)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
