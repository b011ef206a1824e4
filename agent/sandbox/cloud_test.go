package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What firmware says in the clouds, as their documents and users show it.
func TestClouds(t *testing.T) {
	for want, fields := range map[string]map[string]string{
		"aws i-0abc t3.micro": {"sys_vendor": "Amazon EC2", "board_asset_tag": "i-0abc", "product_name": "t3.micro"},
		"aws ec2e1916 ":       {"sys_vendor": "Xen", "bios_version": "4.2.amazon", "product_uuid": "ec2e1916"},
		"gcp  ":               {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
		"azure 11-22 ":        {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77", "product_uuid": "11-22"},
		"  ":                  {"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R640", "chassis_asset_tag": ""},
		"hetzner 123 ":        {"sys_vendor": "Hetzner", "product_serial": "123"},
	} {
		root := t.TempDir()
		dir := filepath.Join(root, filepath.FromSlash(dmiDir))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range fields {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f, got := cloudFacts(root), []string{"", "", ""}
		for i, name := range []string{"cloud.provider", "cloud.instance", "cloud.type"} {
			if v, ok := f[name]; ok {
				got[i] = v.Text()
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %q, want %q", fields, got, want)
		}
	}
}
