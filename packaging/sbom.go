package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom writes what the programs of a system are made of, as CycloneDX. It asks
// the programs themselves, not the source.
func (r *release) sbom(b *build) error {
	list, err := dependencies(context.Background(), r.root)
	if err != nil {
		return err
	}
	licences := map[string]string{}
	for _, d := range list {
		licences[d.Path] = d.licence
	}
	bom, err := r.bom(b, licences)
	if err != nil {
		return err
	}
	f, err := os.Create(r.name(b) + ".cdx.json")
	if err != nil {
		return err
	}
	defer f.Close()
	return cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// bom lists the modules, and which program has which.
func (r *release) bom(b *build, licences map[string]string) (*cdx.BOM, error) {
	whole := component("github.com/quaestor-engine/quaestor", "v"+r.version, "Apache-2.0")
	whole.Type = cdx.ComponentTypeApplication
	var parts []cdx.Component
	var links []cdx.Dependency
	all := sha256.New()
	seen := map[string]bool{}
	for _, c := range commands {
		digest, err := digestOf(b.files[c])
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(all, digest)
		refs := []string{}
		for _, m := range modulesOf(b.info[c]) {
			p := component(m.path, m.version, licences[m.path])
			if p.Licenses == nil {
				return nil, fmt.Errorf("%w: %s links %s, of which no terms are known", ErrLicence, c, m.path)
			}
			refs = append(refs, p.BOMRef)
			if !seen[p.BOMRef] {
				seen[p.BOMRef] = true
				parts = append(parts, p)
			}
		}
		parts = append(parts, cdx.Component{
			BOMRef: c, Type: cdx.ComponentTypeApplication, Name: c, Version: r.version,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: digest}},
		})
		links = append(links, cdx.Dependency{Ref: c, Dependencies: &refs})
	}
	links = append(links, cdx.Dependency{Ref: whole.BOMRef, Dependencies: &commands})
	bom := cdx.NewBOM()
	bom.SerialNumber = uuid(all.Sum(nil))
	bom.Metadata = &cdx.Metadata{Timestamp: b.at.UTC().Format("2006-01-02T15:04:05Z"), Component: &whole}
	bom.Components, bom.Dependencies = &parts, &links
	return bom, nil
}

type moduleVersion struct{ path, version string }

// modulesOf gives what the linker put into a program, and Go's own library.
func modulesOf(info *buildinfo.BuildInfo) []moduleVersion {
	list := []moduleVersion{{"std", "v" + strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, moduleVersion{m.Path, m.Version})
	}
	return list
}

func component(path, version, licence string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	c := cdx.Component{BOMRef: url, PackageURL: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version}
	switch {
	case strings.Contains(licence, " "):
		c.Licenses = &cdx.Licenses{{Expression: licence}}
	case licence != "":
		c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: licence}}}
	}
	return c
}

// uuid makes the number of a document of its digest, so that it is the same
// for everyone. Version 8 is for numbers that are made in a way of one's own.
func uuid(digest []byte) string {
	d := digest[:16]
	d[6], d[8] = d[6]&0x0f|0x80, d[8]&0x3f|0x80
	h := hex.EncodeToString(d)
	return "urn:uuid:" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
