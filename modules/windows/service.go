package windows

import (
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/registry"
	"github.com/quaestor-engine/quaestor/value"
)

// A service is a service or a driver, as the registry describes it.
type service struct {
	key     *registry.Key
	reg     *registry.Registry
	kind    int64
	start   int64
	image   string
	dll     string
	delayed bool
}

func serviceModule() modules.Module {
	return table.New(modules.Schema{
		Name: "service", Key: "name", Doc: "The services and drivers of Windows, as the registry says that they start; whether one runs now is for module process.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'Win*'"},
	}, []table.Column[service]{
		table.Text("name", "The name of the service.", func(v *service) string { return v.key.Name() }).Shown(),
		table.Text("display_name", "What people see it called; @FILE,-NUMBER where a library holds that.", func(v *service) string { return v.key.Text("DisplayName") }).Shown(),
		table.Text("start", "When it starts.", func(v *service) string { return named(starts(), v.start) }).OneOf(starts()...).Shown(),
		table.Bool("delayed", "Whether it waits until all others have started.", func(v *service) bool { return v.delayed }),
		table.Text("type", "What it is: a driver, a process of its own, or one among several in a process.", func(v *service) string { return serviceType(v.kind) }).OneOf(serviceTypes()...).Shown(),
		table.Text("image_path", "The command by which it runs, as it is written.", func(v *service) string { return v.image }).Shown(),
		table.Computed("program", value.Text, "The file with which that begins; of a driver without one the file that the system takes.", func(_ *table.Scan, v *service) (value.Value, error) {
			return table.TextOf(v.reg.Program(v.command(), "")), nil
		}).To("file").Costs(modules.Stat),
		table.Bool("unquoted", `Whether its program's path has a blank and no quotes, so that C:\Program.exe would run in place of C:\Program Files\…`, (*service).unquoted),
		table.Text("service_dll", "The library that it is, as it is written, where a process of the system serves several.", func(v *service) string { return v.dll }),
		table.Computed("library", value.Text, "The file of that library.", func(_ *table.Scan, v *service) (value.Value, error) {
			if v.dll == "" {
				return value.Value{}, nil
			}
			return table.TextOf(v.reg.Program(`"`+v.reg.Expand(v.dll, "")+`"`, "")), nil
		}).To("file").Costs(modules.Stat),
		table.Text("account", "The account as which it runs.", func(v *service) string { return v.key.Text("ObjectName") }).Shown(),
		table.Text("description", "What it is for; @FILE,-NUMBER where a library holds that.", func(v *service) string { return v.key.Text("Description") }),
		table.Text("failure_command", "What runs when it fails.", func(v *service) string { return v.key.Text("FailureCommand") }),
		table.Time("modified", "When its key was changed the last time.", func(v *service) time.Time { return v.key.Modified() }).Costs(modules.Stat),
		table.Text("key", "Its key in the registry.", func(v *service) string { return v.key.Path }),
	}, listServices)
}

// starts are when a service starts, by number.
func starts() []string { return []string{"boot", "system", "automatic", "manual", "disabled"} }

func named(names []string, n int64) string {
	if n < 0 || n >= int64(len(names)) {
		return ""
	}
	return names[n]
}

func serviceTypes() []string {
	return []string{"kernel_driver", "file_system_driver", "adapter", "recognizer", "own_process", "shared_process"}
}

// serviceType names the bits of a service's type.
func serviceType(n int64) string {
	for i, name := range serviceTypes() {
		if n&(1<<i) != 0 {
			return name
		}
	}
	return ""
}

// command is what runs, with what the system takes where nothing is written.
func (v *service) command() string {
	switch {
	case v.image != "":
		return v.image
	case v.kind&3 != 0:
		return `System32\drivers\` + v.key.Name() + ".sys"
	}
	return ""
}

func (v *service) unquoted() bool {
	command := v.reg.Expand(strings.TrimSpace(v.image), "")
	if v.kind&3 != 0 || strings.HasPrefix(command, `"`) {
		return false
	}
	lower := strings.ToLower(command)
	if end := strings.Index(lower, ".exe"); end >= 0 {
		return strings.Contains(command[:end], " ")
	}
	return false
}

func listServices(s *table.Scan, yield func(*service) error) error {
	return withRegistry(s, "service", func(reg *registry.Registry) error {
		services := reg.Control("Services")
		if services == nil {
			s.Skip(modules.SkipNotFound, `HKLM\SYSTEM\CurrentControlSet\Services`, "")
			return nil
		}
		for k := range services.Subkeys() {
			kind, ok := k.Int("Type")
			if !ok {
				continue // counters and the like, which are no services
			}
			v := service{key: k, reg: reg, kind: kind, start: -1, image: k.Text("ImagePath")}
			if n, ok := k.Int("Start"); ok {
				v.start = n
			}
			if n, ok := k.Int("DelayedAutostart"); ok {
				v.delayed = n != 0
			}
			if p := k.Sub("Parameters"); p != nil {
				v.dll = p.Text("ServiceDll")
			}
			if v.dll == "" {
				v.dll = k.Text("ServiceDll")
			}
			if err := yield(&v); err != nil {
				return err
			}
		}
		return s.Context().Err()
	})
}
