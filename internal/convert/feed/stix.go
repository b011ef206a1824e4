package feed

import (
	"bytes"
	"context"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

func isSTIX(_ string, data []byte) bool {
	head := bytes.TrimSpace(data[:min(len(data), 1<<20)])
	return len(head) > 0 && head[0] == '{' && (bytes.Contains(head, []byte(`"bundle"`)) || bytes.Contains(head, []byte(`"pattern"`))) &&
		(bytes.Contains(head, []byte(`"objects"`)) || bytes.Contains(head, []byte(`"spec_version"`)))
}

// readSTIX reads bundles, or objects one behind the other.
func readSTIX(ctx context.Context, in convert.Input) (*convert.Result, error) {
	docs, err := document.JSON(in.Name, in.Data)
	if err != nil {
		return nil, err
	}
	c := newCollector(in)
	for _, d := range docs {
		objects := []*document.Node{d}
		if d.Get("objects").Kind() == document.List {
			objects = d.Get("objects").Items()
		}
		for _, o := range objects {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c.object(o)
		}
	}
	return c.done(), nil
}

// object takes an indicator. What a bundle holds beside those describes them.
func (c *collector) object(o *document.Node) {
	if o.Get("type").Text() != "indicator" {
		if observables[o.Get("type").Text()] {
			c.context++
		}
		return
	}
	header := convert.Rule{
		Description: o.Get("description").Text(), Line: o.Line(), Tags: o.Get("indicator_types").Texts(),
		Reference: o.Get("external_references").Get("url").Text(),
	}
	name := o.Get("name").Text()
	if name == "" {
		name = o.Get("id").Text()
	}
	pattern := o.Get("pattern")
	switch kind := o.Get("pattern_type").Text(); {
	case o.Get("revoked").Text() == "true", c.past(moment(o.Get("valid_until").Text())):
		c.expired++
		return
	case kind == "yara":
		c.yara(name, pattern.Text(), header)
		return
	case kind != "" && kind != "stix":
		c.cannot("patterns of type "+kind, pattern.Line())
		return
	}
	x, lost, err := parsePattern(pattern.Text(), pattern.Line())
	if err != nil {
		header.Name, header.Outcome = name, convert.Not
		header.Note(pattern.Line(), "its pattern: %s", err)
		c.result.Rules = append(c.result.Rules, header)
		return
	}
	for _, why := range lost {
		header.Note(pattern.Line(), "%s", why)
	}
	before := len(c.result.Rules)
	c.take(x, name, header)
	for i := before; i < len(c.result.Rules) && len(lost) > 0; i++ {
		c.result.Rules[i].Outcome = min(c.result.Rules[i].Outcome, convert.Partly)
	}
}

// observables are the objects of STIX that were seen, and of which no
// indicator says that they are bad.
var observables = map[string]bool{
	"file": true, "ipv4-addr": true, "ipv6-addr": true, "domain-name": true, "url": true, "process": true, "email-addr": true,
	"network-traffic": true, "windows-registry-key": true, "mutex": true, "x509-certificate": true, "user-account": true,
}

// stixNames are the properties of STIX 2.1, part 6, that something here knows,
// in lower case, without quotes and indexes.
var stixNames = map[string]known{
	"file:name": kName, "file:size": kSize, "file:parent_directory_ref.path": kDir, "directory:path": kPath, "file:extension": kExt,
	"file:hashes.md5": kMD5, "file:hashes.sha-1": kSHA1, "file:hashes.sha1": kSHA1, "file:hashes.sha-256": kSHA256, "file:hashes.sha256": kSHA256,
	"file:hashes.sha-384": kSHA384, "file:hashes.sha-512": kSHA512, "file:hashes.sha512": kSHA512, "file:hashes.sha3-256": kSHA3,
	"file:content_ref.payload_bin": kContent, "artifact:payload_bin": kContent,
	"ipv4-addr:value": kRemote, "ipv6-addr:value": kRemote,
	"network-traffic:dst_ref.value": kRemote, "network-traffic:src_ref.value": kRemote,
	"network-traffic:dst_port": kRPort, "network-traffic:src_port": kLPort, "network-traffic:protocols": kProtocol,
	"domain-name:value": kHost, "url:value": kURL, "email-addr:value": kHost, "email-message:sender_ref.value": kHost, "email-message:from_ref.value": kHost,
	"network-traffic:extensions.http-request-ext.request_header.user-agent": kHost, "network-traffic:extensions.http-request-ext.request_value": kHost,
	"process:name": kProcess, "process:image_ref.name": kProcess, "process:command_line": kProcLine, "process:pid": kPID,
	"process:binary_ref.name": kProcess, "process:image_ref.parent_directory_ref.path": kProcPath, "process:creator_user_ref.account_login": kProcUser,
	"process:image_ref.hashes.md5":     {module: "process", column: "exe.md5", form: asHash},
	"process:image_ref.hashes.sha-1":   {module: "process", column: "exe.sha1", form: asHash},
	"process:image_ref.hashes.sha-256": {module: "process", column: "exe.sha256", form: asHash},
	"windows-registry-key:key":         kKey, "windows-registry-key:values.name": kValue, "windows-registry-key:values.data": kData,
	"user-account:user_id": {module: "user", column: "uid", form: asNumber}, "user-account:account_login": kUser, "user-account:display_name": kUser,
	"x509-certificate:hashes.sha-1": kCert1, "x509-certificate:hashes.sha1": kCert1, "x509-certificate:hashes.sha-256": kCert256, "x509-certificate:hashes.sha256": kCert256,
	"x509-certificate:subject": kSubject, "x509-certificate:issuer": kIssuer, "x509-certificate:serial_number": kSerial,
	"mac-addr:value": kMAC, "process:extensions.windows-service-ext.service_name": kService,
}

// stixName brings a path of a property into the form of the table.
func stixName(path string) string {
	path = strings.ToLower(strings.NewReplacer("'", "", "[*]", "").Replace(path))
	for {
		i := strings.IndexByte(path, '[')
		j := strings.IndexByte(path, ']')
		if i < 0 || j < i {
			return path
		}
		path = path[:i] + path[j+1:]
	}
}
