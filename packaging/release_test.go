package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/quaestor-engine/quaestor/signing"
)

// moduleDir is where the source of a module lies.
func moduleDir(t *testing.T, path string) string {
	t.Helper()
	text, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// pretended is a build of three programs that hold nothing but their names,
// and link what ours link.
func pretended(t *testing.T) (*release, *build, map[string]string) {
	t.Helper()
	list, err := dependencies(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8"}
	licences := map[string]string{}
	for _, d := range list {
		licences[d.Path] = d.licence
		if d.Path != "std" {
			info.Deps = append(info.Deps, &debug.Module{Path: d.Path, Version: d.Version})
		}
	}
	r := &release{version: "1.2.0", root: "..", out: t.TempDir(), manuals: map[string][]byte{}}
	b := &build{system: "linux", arch: "amd64", at: time.Unix(1_800_000_000, 0), files: map[string]string{}, info: map[string]*buildinfo.BuildInfo{}}
	for _, c := range commands {
		b.files[c], b.info[c] = filepath.Join(r.out, c), info
		r.manuals[c] = []byte(".TH " + c + " 8\n")
		if err := os.WriteFile(b.files[c], []byte(c), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r, b, licences
}

// What we say of our parts is CycloneDX by its own schema.
func TestBOMFitsItsSchema(t *testing.T) {
	r, b, licences := pretended(t)
	bom, err := r.bom(b, licences)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	dir := filepath.Join(moduleDir(t, "github.com/CycloneDX/cyclonedx-go"), "schema")
	for name, file := range map[string]string{"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	if err := valid(text.Bytes()); err != nil {
		t.Error(err)
	}
	if err := valid(bytes.ReplaceAll(text.Bytes(), []byte(`"MIT"`), []byte(`"no licence"`))); err == nil {
		t.Error("the schema takes anything")
	}
	if got := len(*bom.Components); got != len(licences)+len(commands) {
		t.Errorf("%d components of %d", got, len(licences)+len(commands))
	}
	delete(licences, "github.com/alecthomas/kong")
	if _, err := r.bom(b, licences); !errors.Is(err, ErrLicence) {
		t.Errorf("a module without terms: %v", err)
	}
}

// Archives and packages depend on what is in them alone.
func TestSameBytes(t *testing.T) {
	var first map[string]string
	for range 2 {
		r, b, _ := pretended(t)
		for _, step := range []func(*build) error{r.sbom, r.archive, r.packages, r.pkg} {
			if err := step(b); err != nil {
				t.Fatal(err)
			}
		}
		b.system = "darwin"
		for _, step := range []func(*build) error{r.sbom, r.archive, r.packages, r.pkg} {
			if err := step(b); err != nil {
				t.Fatal(err)
			}
		}
		b.system = "windows"
		for _, step := range []func(*build) error{r.sbom, r.archive} {
			if err := step(b); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]string{}
		list, err := os.ReadDir(r.out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if got[e.Name()], err = digestOf(filepath.Join(r.out, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		if first == nil {
			first = got
			continue
		}
		if len(got) != len(first) || len(got) < 3+12+3+3+1 {
			t.Errorf("%d files, and then %d", len(first), len(got))
		}
		for name, digest := range first {
			if got[name] != digest {
				t.Errorf("%s is not the same again", name)
			}
		}
	}
}

func TestWhatCannotBeMade(t *testing.T) {
	for _, args := range [][]string{
		{}, {"cake"}, {"release"}, {"release", "-version", "v1"}, {"release", "-version", "1.0.0/../.."},
		{"release", "-version", "1.2.0", "-systems", "plan9/mips", "-out", t.TempDir()},
		{"release", "-version", "1.2.0", "-out", "."},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was made", args)
		}
	}
}

// The signature of the checksums is one that every OpenPGP takes.
func TestSignFile(t *testing.T) {
	dir := t.TempDir()
	key, err := signing.NewPrivateKey("release", "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.Armor([]byte("open"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"key": text, "phrase": []byte("open\n"), sums: []byte("0  x\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := signFile(t.Context(), at(sums), at("key"), ""); err == nil {
		t.Error("it signs with a locked key")
	}
	if err := signFile(t.Context(), at(sums), at("key"), at("phrase")); err != nil {
		t.Fatal(err)
	}
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := os.ReadFile(at(sums + ".asc"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(ring, strings.NewReader("0  x\n"), bytes.NewReader(sig), nil); err != nil {
		t.Error(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(ring, strings.NewReader("1  x\n"), bytes.NewReader(sig), nil); err == nil {
		t.Error("another text has the same signature")
	}
}
