package windows

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/modules/windows/prefetch"
	"github.com/quaestor-engine/quaestor/value"
)

// A trace is what Windows remembers of a program that ran.
type trace struct {
	*prefetch.File
	path string
}

func prefetchModule() modules.Module {
	return table.New(modules.Schema{
		Name: "prefetch", Doc: "Programs that ran, as Windows remembers them to start them faster; without a place, those of its own folder. Servers and some virtual machines keep none.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "globs of paths of .pf files", Example: `'C:\Windows\Prefetch\PS*.pf'`},
	}, []table.Column[trace]{
		table.Text("executable", "The name of the program, up to 29 characters.", func(t *trace) string { return t.Executable }).Shown(),
		table.Int("run_count", "How often it ran since the file is there.", func(t *trace) int64 { return t.RunCount }).Shown(),
		table.Time("last_run", "When it ran the last time.", func(t *trace) time.Time {
			if len(t.LastRuns) == 0 {
				return time.Time{}
			}
			return t.LastRuns[0]
		}).Shown(),
		table.Value("last_runs", value.List, "When it ran the last eight times, the latest first; before Windows 8 the last time alone.", func(t *trace) value.Value { return table.ListOf(t.LastRuns, value.NewTime) }).Of(value.Time),
		table.Computed("program", value.Text, "The file that ran, where it still lies on the system's drive.", program).To("file").Costs(modules.Stat).Shown(),
		table.Text("hash", "What the system makes of the program's path, and of its arguments for some, in hexadecimal: two of one name ran from two places.", func(t *trace) string { return fmt.Sprintf("%08X", t.Hash) }),
		table.Texts("files", "What was loaded within its first seconds, by names of the kernel.", func(t *trace) []string { return t.Files }),
		table.Texts("volumes", "The volumes on which that was: the name, and the serial number in hexadecimal.", func(t *trace) []string {
			var list []string
			for _, v := range t.Volumes {
				list = append(list, fmt.Sprintf("%s %08X", v.Device, v.Serial))
			}
			return list
		}),
		table.Int("version", "The version of the format: 17 (Windows XP), 23 (7), 26 (8), 30 and 31 (10 and 11).", func(t *trace) int64 { return int64(t.Version) }),
		table.Text("path", "The file that says so.", func(t *trace) string { return t.path }).To("file").Shown(),
	}, listPrefetch).By()
}

// program gives the file that ran: the one of that name among those that were
// loaded, if the system's drive has it.
func program(s *table.Scan, t *trace) (value.Value, error) {
	for _, f := range t.Files {
		_, below, ok := strings.Cut(strings.TrimPrefix(f, `\DEVICE\`), `\`)
		if strings.HasPrefix(f, `\VOLUME{`) {
			_, below, ok = strings.Cut(f[1:], `\`)
		}
		name := below[strings.LastIndexByte(below, '\\')+1:]
		if !ok || !strings.HasPrefix(name, t.Executable) {
			continue
		}
		if at, ok := s.FS.Windows(`C:\` + below); ok && s.FS.Exists(at) {
			return value.NewText(at), nil
		}
	}
	return value.Value{}, nil
}

func listPrefetch(s *table.Scan, yield func(*trace) error) error {
	visit := func(file string) error {
		b, err := s.FS.Append(nil, file, prefetch.MaxFile)
		if err != nil {
			s.Fail(file, err)
			return nil
		}
		f, err := prefetch.Parse(b)
		if err != nil {
			s.Fail(file, err)
			return nil
		}
		return yield(&trace{f, file})
	}
	if len(s.Locators) > 0 {
		return s.Files(func(file string) error {
			if !strings.EqualFold(path.Ext(file), ".pf") {
				return nil
			}
			return visit(file)
		})
	}
	if s.FS.Live() && runtime.GOOS != "windows" {
		s.Skip(modules.SkipUnsupported, "prefetch", "this system keeps no such files: name one")
		return nil
	}
	for file := range s.FS.GlobWindows("/Windows/Prefetch/*.pf") {
		if err := visit(file); err != nil {
			return err
		}
	}
	return nil
}
