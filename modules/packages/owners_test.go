package packages

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func ownersTree(t testing.TB) string {
	return plant(t, map[string]string{
		"var/lib/dpkg/status":                dpkgStatusText,
		"var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/ld.so\n/usr\n/usr/lib/libc.so.6\n",
		"var/lib/dpkg/info/bash.list":        "/.\n/bin\n/bin/bash\n/usr\n/usr/share/bin/x\n/sbin/sh\nrubbish\n",
		"var/lib/dpkg/info/nano.list":        "/etc/nanorc\n/usr/sbin/moved\n/usr/bin/diverted\n",
		"var/lib/dpkg/info/odd.list":         "/.\n/usr/bin/diverted\n/opt/odd",
		"var/lib/dpkg/diversions":            "/usr/bin/diverted\n/usr/bin/diverted.real\nodd\n/usr/sbin/moved\n/srv/moved\n:\n",
		"usr/lib/apk/db/installed":           apkText,
		"var/lib/pacman/local/zlib-1/desc":   pacmanText,
		"var/lib/pacman/local/zlib-1/files":  "%FILES%\nusr/\nusr/lib/\nusr/lib/libz.so\n\n%BACKUP%\netc/z\tabc\n",
		"bin":                                "->usr/bin",
		"lib":                                "->/usr/lib",
		"sbin":                               "->usr/bin",
		"usr/bin/sh":                         "",
	})
}

func TestOwners(t *testing.T) {
	files, rec := open(t, ownersTree(t))
	o, err := LoadOwners(files)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/lib/ld.so": "dpkg:libc6:amd64", "/usr/lib/ld.so": "dpkg:libc6:amd64", "/lib/libc.so.6": "dpkg:libc6:amd64",
		"/usr": "dpkg:libc6:amd64", "/usr/bin/bash": "dpkg:bash:amd64", "/bin/bash": "dpkg:bash:amd64", "/bin/../bin//bash": "dpkg:bash:amd64",
		"/usr/bin": "dpkg:bash:amd64", "/sbin/bash": "dpkg:bash:amd64", "/usr/share/bin/x": "dpkg:bash:amd64", "/share/bin/x": "",
		"/usr/bin/sh": "dpkg:bash:amd64", "/bin/sh": "dpkg:bash:amd64",
		"/usr/bin/diverted": "dpkg:odd:all", "/bin/diverted.real": "dpkg:nano:amd64", "/usr/sbin/moved": "", "/srv/moved": "dpkg:nano:amd64",
		"/etc/nanorc": "dpkg:nano:amd64", "/opt/odd": "dpkg:odd:all", "/opt/od": "", "/opt/odd/x": "", "/": "", "": "", "rubbish": "",
		"/lib/ld-musl-x86_64.so.1": "apk:musl:x86_64", "/usr/lib/libz.so": "pacman:zlib:x86_64", "/lib/libz.so": "pacman:zlib:x86_64",
	} {
		if got, ok := o.Package(path); got != want || ok != (want != "") {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
	if n := len(rec.Skips()); n != 4 { // the malformed stanzas of dpkg and apk
		t.Errorf("%+v", rec.Skips())
	}
}

// TestOwnersStay asks again, from several goroutines.
func TestOwnersStay(t *testing.T) {
	files, _ := open(t, ownersTree(t))
	o, err := LoadOwners(files)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if id, ok := o.Package("/usr/bin/bash"); !ok || id != "dpkg:bash:amd64" {
				t.Errorf("%q", id)
			}
		})
	}
	all.Wait()
}

func TestOwnersUnreadable(t *testing.T) {
	files, _ := open(t, plant(t, map[string]string{"var/lib/dpkg/status": "->status"}))
	if _, err := LoadOwners(files); err == nil {
		t.Error("nobody owns anything where the database cannot be read")
	}
	files, rec := open(t, plant(t, map[string]string{"var/lib/dpkg/status": "Package: a\nStatus: a a installed\n"}))
	if _, err := LoadOwners(files); err != nil || len(rec.Skips()) != 1 {
		t.Errorf("a missing list: %v, %+v", err, rec.Skips())
	}
	files, rec = open(t, t.TempDir())
	o, err := LoadOwners(files)
	if err != nil || len(rec.Skips()) > 0 {
		t.Errorf("an empty host: %v, %+v", err, rec.Skips())
	}
	if _, ok := o.Package("/bin/sh"); ok {
		t.Error("an owner from nowhere")
	}
}

// listed gives paths that packages of this machine list, and who lists each.
func listed(t testing.TB) map[string][]string {
	files, _ := live(t)
	all := map[string][]string{}
	if err := dpkgPacked(&crate{FS: files, ctx: t.Context(), yield: func(x *packed) error {
		all[x.path] = append(all[x.path], x.pkg)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestOwnersAgainstDpkg asks dpkg -S for the same paths.
func TestOwnersAgainstDpkg(t *testing.T) {
	all := slices.Sorted(maps.Keys(listed(t)))
	var paths []string
	for i := 0; i < len(all); i += max(1, len(all)/2000) {
		paths = append(paths, all[i])
	}
	paths = append(paths, "/usr/no such file", "/bin/no-such-file")
	out := output(t, "dpkg", append([]string{"-S"}, paths...)...)
	want := map[string][]string{}
	for line := range strings.Lines(out) {
		names, path, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if strings.HasPrefix(names, "diversion by") || strings.HasPrefix(names, "local diversion") {
			continue
		}
		for name := range strings.SplitSeq(names, ", ") {
			name, _, _ = strings.Cut(name, ":")
			want[path] = append(want[path], name)
		}
	}
	files, _ := live(t)
	o, err := LoadOwners(files)
	if err != nil {
		t.Fatal(err)
	}
	diverted := readDiversions(files)
	for _, path := range paths {
		if slices.ContainsFunc(slices.Collect(maps.Values(diverted)), func(d diversion) bool { return d.to == path }) || diverted[path].to != "" {
			continue // dpkg -S speaks of these in words
		}
		if slices.Contains(o.names.merged, strings.TrimPrefix(path, "/")) {
			continue // to dpkg, /bin and /usr/bin are two folders
		}
		id, ok := o.Package(path)
		name, _, _ := strings.Cut(strings.TrimPrefix(id, "dpkg:"), ":")
		if ok != (len(want[path]) > 0) || ok && !slices.Contains(want[path], name) {
			t.Errorf("%s is of %q, dpkg says %q", path, id, want[path])
		}
	}
}

func BenchmarkOwners(b *testing.B) {
	all := slices.Sorted(maps.Keys(listed(b)))
	paths := all[:min(len(all), 20000)]
	for b.Loop() {
		files, _ := live(b)
		o, err := LoadOwners(files)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range paths {
			if _, ok := o.Package(p); !ok {
				b.Fatal(p)
			}
		}
	}
	if name := os.Getenv("PATHS_FILE"); name != "" {
		os.WriteFile(name, []byte(strings.Join(paths, "\n")), 0o644)
	}
}
