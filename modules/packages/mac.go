package packages

import (
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/value"
)

// brewPrefixes are where Homebrew puts itself: on processors of Apple, of
// Intel, and on Linux.
func brewPrefixes() []string {
	return []string{"/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"}
}

// folders gives the directories that match patterns.
func folders(f *hostfs.FS, patterns ...string) []string {
	var list []string
	for name := range f.Glob(patterns...) {
		if st, err := f.Stat(name); err == nil && st.IsDir() && !strings.HasPrefix(path.Base(name), ".") {
			list = append(list, name)
		}
	}
	return list
}

// listBrew lists the formulas of Homebrew: Cellar/name/version, with a receipt
// in each.
func listBrew(l *lister) error {
	for _, prefix := range brewPrefixes() {
		for _, dir := range folders(l.FS, prefix+"/Cellar/*/*") {
			p := brewPkg("brew", dir)
			receipt := dir + "/INSTALL_RECEIPT.json"
			if text, ok := l.FS.Get(receipt); ok {
				if err := p.brewReceipt(text); err != nil {
					l.Fail(receipt, err)
				}
			}
			if err := l.give(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

// listCask lists the applications that Homebrew has brought.
func listCask(l *lister) error {
	for _, prefix := range brewPrefixes() {
		for _, dir := range folders(l.FS, prefix+"/Caskroom/*/*") {
			p := brewPkg("cask", dir)
			p.stamp = dir
			if err := l.give(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

func brewPkg(manager, dir string) pkg {
	return pkg{
		manager: manager, name: path.Base(path.Dir(dir)), version: path.Base(dir), path: dir,
		status: "installed", size: -1, scheme: value.AnyScheme,
	}
}

// brewReceipt takes what Homebrew wrote down of an installation.
func (p *pkg) brewReceipt(text []byte) error {
	var r struct {
		Time   *int64 `json:"time"`
		Arch   string `json:"arch"`
		Source struct {
			Tap string `json:"tap"`
		} `json:"source"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return hostfs.ErrMalformed
	}
	p.arch, p.maintainer = r.Arch, r.Source.Tap
	if r.Time != nil && *r.Time > 0 {
		p.installed = time.Unix(*r.Time, 0)
	}
	return nil
}

// listApps lists the applications of macOS, by what their bundles say.
func listApps(l *lister) error {
	patterns := append([]string{"/Applications/*.app", "/Applications/*/*.app", "/System/Applications/*.app", "/System/Applications/*/*.app"},
		inHomes(l.FS, "/Applications/*.app")...)
	for _, dir := range folders(l.FS, patterns...) {
		file := dir + "/Contents/Info.plist"
		info, ok := plistOf(l, file)
		if !ok {
			continue
		}
		p := pkg{
			manager: "app", name: strings.TrimSuffix(path.Base(dir), ".app"), source: info.Get("CFBundleIdentifier").Text(),
			version: info.Get("CFBundleShortVersionString").Text(), path: dir, stamp: file, status: "installed", size: -1, scheme: value.AnyScheme,
		}
		if p.version == "" {
			p.version = info.Get("CFBundleVersion").Text()
		}
		if err := l.give(&p); err != nil {
			return err
		}
	}
	return nil
}

// listReceipts lists what the installer of macOS has installed.
func listReceipts(l *lister) error {
	for file := range l.FS.Glob("/private/var/db/receipts/*.plist") {
		r, ok := plistOf(l, file)
		if !ok {
			continue
		}
		p := pkg{
			manager: "pkgutil", name: r.Get("PackageIdentifier").Text(), version: r.Get("PackageVersion").Text(), path: file,
			maintainer: r.Get("InstallProcessName").Text(), installed: r.Get("InstallDate").Time(), status: "installed", size: -1, scheme: value.AnyScheme,
		}
		if p.name == "" {
			l.Fail(file, hostfs.ErrMalformed)
			continue
		}
		if err := l.give(&p); err != nil {
			return err
		}
	}
	return nil
}

// plistOf reads a property list that need not be there.
func plistOf(l *lister, file string) (*plist.Value, bool) {
	text, ok := l.FS.Get(file)
	if !ok {
		return nil, false
	}
	v, err := plist.Decode(text)
	if err != nil {
		l.Fail(file, err)
	}
	return v, err == nil
}
