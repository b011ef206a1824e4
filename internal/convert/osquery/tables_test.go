//go:build unix

package osquery_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/convert"
)

// hardware is what lies in the files of a machine, of which osquery makes the
// rows of TestTablesOfFiles.
var hardware = map[string]string{
	"etc/passwd":                                   "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n",
	"etc/hostname":                                 "web-1\n",
	"etc/os-release":                               "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION=\"12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID_LIKE=x\nBUILD_ID=7\n",
	"proc/stat":                                    "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 11 12 13 14 15 16 17 18 19 20\ncpu12 0 1 0 1 0 1 0 1 0 1\nintr 5\nbtime 1750000000\n",
	"proc/meminfo":                                 "MemTotal: 2048 kB\nMemFree: 1024 kB\nMemAvailable: 1536 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapCached: 3 kB\nActive: 4 kB\nInactive: 5 kB\nSwapTotal: 6 kB\nSwapFree: 7 kB\n",
	"proc/cpuinfo":                                 "processor\t: 0\nphysical id\t: 0\ncore id\t: 0\nmicrocode\t: 0xf0\nmodel name\t: CPU X\n\nprocessor\t: 1\nphysical id\t: 0\ncore id\t: 0\nmicrocode\t: 0xf0\nmodel name\t: CPU X\n",
	"proc/modules":                                 "nf_tables 100 2 nft_a,nft_b, Live 0xffffffffc0a00000\nloop 200 0 - Loading 0x0000000000000000 (OE)\n",
	"proc/sys/kernel/osrelease":                    "6.1.0-18-amd64\n",
	"proc/sys/net/ipv4/ip_forward":                 "1\n",
	"etc/sysctl.conf":                              "net.ipv4.ip_forward = 0\n",
	"etc/ssh/ssh_config":                           "Host *\n  SendEnv LANG\n",
	"home/alice/.ssh/config":                       "User Bob\n# none\nHost Jump\n  ProxyCommand NC %h\nMatch all\n",
	"sys/class/dmi/id/sys_vendor":                  "Maker\n",
	"sys/class/dmi/id/product_version":             "v2\n",
	"sys/class/dmi/id/board_name":                  "Board\n",
	"sys/class/dmi/id/board_serial":                "B-1\n",
	"sys/firmware/acpi/tables/DSDT":                "dsdt",
	"sys/firmware/acpi/tables/dynamic/SSDT1":       "x",
	"var/db/pkg/app-editors/vim-9.1-r1/USE":        "acl nls\n",
	"var/db/pkg/app-editors/vim-9.1-r1/BUILD_TIME": "1719000000\n",
	"var/db/pkg/app-editors/vim-9.1-r1/repository": "gentoo\n",
	"var/lib/portage/world":                        "app-editors/vim\n",
	"var/lib/dpkg/status":                          "Package: a\nStatus: install ok installed\nPriority: optional\nSection: net\nMaintainer: M\nArchitecture: all\nInstalled-Size: 12\nVersion: 1:2.0-3\nDescription: d\n\n",
	"home/alice/.config/opera/Extensions/abc/1_0/manifest.json": `{"name": "A", "version": "1.2"}`,
}

// Rows of tables that are made of files are those that osquery makes of them.
// What both show differently (a list, a size) stands in the form of here.
func TestTablesOfFiles(t *testing.T) {
	w := &world{root: t.TempDir(), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	for name, text := range hardware {
		p := filepath.Join(w.root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	s, err := quaestor.LocalWith(quaestor.Options{Root: w.root, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.session = s
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"SELECT * FROM cpu_time", []string{"0 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19 | 20", "12 | 0 | 1 | 0 | 1 | 0 | 1 | 0 | 1 | 0 | 1"}},
		{"SELECT core FROM cpu_time WHERE user > 5 AND guest_nice = 20", []string{"0"}},
		{"SELECT * FROM memory_info", []string{"2097152 | 1048576 | 1572864 | 1024 | 2048 | 3072 | 4096 | 5120 | 6144 | 7168"}},
		{"SELECT memory_free * 100 / memory_total FROM memory_info", []string{"50"}},
		{"SELECT cpu_physical_cores, cpu_logical_cores, cpu_sockets, cpu_microcode, hardware_vendor, hardware_version, board_model, board_serial FROM system_info", []string{"1 | 2 | 1 | 0xf0 | Maker | v2 | Board | B-1"}},
		{"SELECT name, major, minor, platform, platform_like, codename, build FROM os_version WHERE version LIKE '12%' AND major = 12", []string{"Debian GNU/Linux 12 | 12 | debian | x | bookworm | 7"}},
		{"SELECT name, size, md5 FROM acpi_tables", []string{"DSDT | 4 | b3f82d563eeafadc98df2fc3a0455148"}},
		{"SELECT name, current_value, config_value, type FROM system_controls WHERE name = 'net.ipv4.ip_forward'", []string{"net.ipv4.ip_forward | 1 | 0 | string"}},
		{"SELECT name FROM system_controls WHERE config_value != '' AND current_value != config_value AND subsystem = 'net'", []string{"net.ipv4.ip_forward"}},
		{"SELECT username, block, option, ssh_config_file FROM users JOIN ssh_configs USING (uid)", []string{
			"alice |  | User Bob | /home/alice/.ssh/config", "alice | Host Jump | ProxyCommand NC %h | /home/alice/.ssh/config", "root | Host * | SendEnv LANG | /etc/ssh/ssh_config"}},
		{"SELECT option FROM users JOIN ssh_configs USING (uid) WHERE block = 'host jump' AND option LIKE 'proxycommand %'", []string{"ProxyCommand NC %h"}},
		{"SELECT package, version, use FROM portage_use", []string{"app-editors/vim | 9.1-r1 | acl nls"}},
		{"SELECT package, version, build_time, repository, world FROM portage_packages", []string{"app-editors/vim | 9.1-r1 | 1719000000 | gentoo | 1"}},
		{"SELECT name, version, size, revision, section, priority, maintainer, status FROM deb_packages", []string{"a | 1:2.0-3 | 12288 | net | optional | M | installed"}},
		{"SELECT name, size, used_by, status, address FROM kernel_modules WHERE used_by != '-'", []string{`nf_tables | 100 | [nft_a, nft_b] | live | 0xffffffffc0a00000`}},
		{"SELECT name FROM kernel_modules WHERE used_by = '-' AND status = 'Loading'", []string{"loop"}},
		{"SELECT uid, name, version FROM users JOIN opera_extensions USING (uid)", []string{"1000 | A | 1.2"}},
		{"SELECT path, mode, hard_links, block_size > 0 FROM file WHERE path = '/etc/hostname'", []string{"/etc/hostname | 0640 | 1 | 1"}},
		{"SELECT count(*) FROM mounts WHERE blocks_available > blocks_free", []string{"0"}},
	} {
		r, err := run(t, "x.sql", tt.query)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rules[0].Outcome != convert.Whole {
			t.Errorf("%s: %v", tt.query, r.Rules[0].Notes)
			continue
		}
		if got := w.asked(t, r.Rules[0]); !slices.Equal(got, tt.want) {
			t.Errorf("%s\nbecame %s\nwhich gives\n  %s\nand not\n  %s", tt.query, r.Rules[0].Queries, strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
		}
	}
}
