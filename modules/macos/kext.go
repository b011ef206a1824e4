package macos

import (
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// An extension is a bundle that macOS may load into the kernel, or run beside
// it as a system extension.
type extension struct {
	path, kind string
	info       *plist.Value
	text       func(name string) string
}

const (
	kindKernel = "kernel"
	kindSystem = "system"
)

func kernelExtensions() modules.Module {
	return table.New(modules.Schema{
		Name: "kernel_extension", Doc: "Extensions of the kernel of macOS, and system extensions, which run beside it: what is installed, whether or not it is loaded.", Key: "path",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "a glob of paths", Example: "'/Library/Extensions/*'"},
	}, []table.Column[extension]{
		table.Text("path", "The bundle.", func(e *extension) string { return e.path }).To("file").Shown(),
		table.Text("identifier", "What it calls itself, such as com.apple.driver.AppleHDA.", func(e *extension) string { return e.text("CFBundleIdentifier") }).Shown(),
		table.Text("name", "Its name.", func(e *extension) string { return e.text("CFBundleName") }),
		table.Value("version", value.Version, "Its version.", func(e *extension) value.Value {
			for _, name := range []string{"CFBundleShortVersionString", "CFBundleVersion"} {
				if v := e.text(name); v != "" {
					return value.NewVersion(v, value.AnyScheme)
				}
			}
			return value.Value{}
		}).Shown(),
		table.Text("kind", "Whether it is loaded into the kernel, or is a system extension.", func(e *extension) string { return e.kind }).OneOf(kindKernel, kindSystem).Shown(),
		table.Text("program", "Its program; null where it has none, as bundles of others and of settings alone.", (*extension).program).To("file").Shown(),
		table.Bool("apple", "Whether it is where macOS itself has those that come along.", func(e *extension) bool { return strings.HasPrefix(e.path, "/System/Library/") }),
		table.Texts("libraries", "The extensions that it is linked with.", func(e *extension) []string { return names(e.info.Get("OSBundleLibraries")) }),
	}, listExtensions)
}

// program is where its program is, which the list names without its folder.
func (e *extension) program() string {
	name := e.text("CFBundleExecutable")
	if name == "" || strings.Contains(name, "/") {
		return ""
	}
	return path.Join(e.path, "Contents/MacOS", name)
}

func listExtensions(s *table.Scan, yield func(*extension) error) error {
	if elsewhere(s, "kernel_extension") {
		return nil
	}
	for _, p := range []struct{ kind, glob string }{
		{kindKernel, "/System/Library/Extensions/*.kext"},
		{kindKernel, "/System/Library/Extensions/*.kext/Contents/PlugIns/*.kext"},
		{kindKernel, "/Library/Extensions/*.kext"},
		{kindKernel, "/Library/Extensions/*.kext/Contents/PlugIns/*.kext"},
		{kindKernel, "/Library/StagedExtensions/Library/Extensions/*.kext"},
		{kindKernel, "/Library/Apple/System/Library/Extensions/*.kext"},
		{kindSystem, "/Library/SystemExtensions/*/*.systemextension"},
	} {
		for name := range s.FS.Glob(p.glob) {
			info, ok := decode(s, path.Join(name, "Contents/Info.plist"))
			if !ok {
				if !isDir(s.FS, name) {
					continue
				}
				info = &plist.Value{} // it is there, and does not say what it is
			}
			e := extension{path: name, kind: p.kind, info: info, text: func(key string) string { return info.Get(key).Text() }}
			if err := yield(&e); err != nil {
				return err
			}
		}
	}
	return nil
}
