package agent

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestServiceFiles(t *testing.T) {
	for system, s := range map[string]Service{
		"linux":   {Program: "/opt/my tools/quaestor-agent", Dir: "/var/lib/100%/$agent"},
		"darwin":  {Program: "/opt/a&b/quaestor-agent", Dir: "/var/db/<agent>"},
		"windows": {Program: `C:\Program Files\quaestor-agent.exe`, Dir: `C:\ProgramData\quaestor-agent`},
	} {
		if system == "windows" && runtime.GOOS == "windows" || system != "windows" && runtime.GOOS == "windows" && s.Dir == "" {
			continue
		}
		f, err := s.File(system)
		if err != nil {
			t.Fatal(err)
		}
		got := "path: " + f.Path + "\nthen: " + f.Then + "\n\n" + f.Text
		name := filepath.Join("testdata", "service-"+system+".golden")
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil || got != string(want) {
			t.Errorf("%s is not %s: %v\n%s", system, name, err, got)
		}
	}
}

// The property list is XML, whatever the paths are.
func TestServiceFileOfMacIsXML(t *testing.T) {
	if runtime.GOOS == "darwin" {
		return // the paths below are none there
	}
	f, err := Service{Program: "/a&b<c>/]]>", Dir: "/'x"}.File("darwin")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for d := xml.NewDecoder(strings.NewReader(f.Text)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := tok.(xml.CharData); ok {
			words = append(words, string(text))
		}
	}
	if all := strings.Join(words, ""); !strings.Contains(all, "/a&b<c>/]]>") {
		t.Error(all)
	}
}

func TestServicePaths(t *testing.T) {
	for _, s := range []Service{
		{Program: "quaestor-agent", Dir: "/x"}, {Program: "/x", Dir: ""}, {Program: "/x", Dir: "/y\nExecStart=/bin/sh"},
		{Program: `/x" "`, Dir: "/y"},
	} {
		if f, err := s.File(runtime.GOOS); err == nil {
			t.Errorf("%+v gives %+v", s, f)
		}
	}
	if _, err := (Service{Program: "/x", Dir: "/y"}).File("plan9"); !errors.Is(err, ErrNoService) {
		t.Error(err)
	}
}
