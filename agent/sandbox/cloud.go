package sandbox

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// dmiDir is where Linux shows what the firmware says of the machine. Clouds
// tell there who they are; nobody on the network is asked.
const dmiDir = "/sys/class/dmi/id"

// A cloud is known by fields of the firmware, and tells more in others.
type cloud struct {
	name     string
	field    string // that begins with word, without regard to case
	word     string
	instance string // the field of the machine's ID; "" where it does not tell
	kind     string // the field of the machine's type
}

func clouds() []cloud {
	return []cloud{
		{name: "aws", field: "sys_vendor", word: "amazon ec2", instance: "board_asset_tag", kind: "product_name"},
		{name: "aws", field: "bios_version", word: "4.2.amazon", instance: "product_uuid"},
		{name: "gcp", field: "product_name", word: "google compute engine"},
		{name: "azure", field: "chassis_asset_tag", word: "7783-7084-3265-9085-8269-3286-77", instance: "product_uuid"},
		{name: "digitalocean", field: "sys_vendor", word: "digitalocean", instance: "product_serial", kind: "product_family"},
		{name: "hetzner", field: "sys_vendor", word: "hetzner", instance: "product_serial"},
		{name: "oracle", field: "chassis_asset_tag", word: "oraclecloud.com"},
		{name: "alibaba", field: "sys_vendor", word: "alibaba cloud", instance: "product_serial"},
		{name: "vultr", field: "sys_vendor", word: "vultr"},
		{name: "scaleway", field: "sys_vendor", word: "scaleway"},
		{name: "linode", field: "sys_vendor", word: "linode"},
		{name: "exoscale", field: "sys_vendor", word: "exoscale"},
		{name: "openstack", field: "product_name", word: "openstack"},
	}
}

// cloudFacts gives cloud.provider, cloud.instance and cloud.type, as far as
// the firmware tells them.
func cloudFacts(root string) plan.Facts {
	dir := localName(root, dmiDir)
	f := plan.Facts{}
	for _, c := range clouds() {
		if !strings.HasPrefix(strings.ToLower(dmi(dir, c.field)), c.word) {
			continue
		}
		f["cloud.provider"] = value.NewText(c.name)
		for name, field := range map[string]string{"cloud.instance": c.instance, "cloud.type": c.kind} {
			if text := dmi(dir, field); text != "" {
				f[name] = value.NewText(text)
			}
		}
		return f
	}
	return f
}

// dmi reads one field; "" where it cannot.
func dmi(dir, field string) string {
	if field == "" {
		return ""
	}
	file, err := os.Open(filepath.Join(dir, field))
	if err != nil {
		return ""
	}
	defer file.Close()
	b := make([]byte, 256) // the kernel shows at most a page
	n, err := file.Read(b)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(b[:n])), "?")
}
