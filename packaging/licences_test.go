package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page is fresh, and every licence is allowed.
func TestLicences(t *testing.T) {
	if err := licences(t.Context(), "..", false); err != nil {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	bsd, err := os.ReadFile(filepath.Join(moduleDir(t, "github.com/google/licensecheck"), "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if name, err := classify(bsd); name != "BSD-3-Clause" || err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for what, text := range map[string]string{
		"a licence that asks for more": "This program is free software: you can redistribute it and/or modify it under the terms of the GNU Affero General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.",
		"nothing that is known":        "All rights reserved.",
		"no text":                      "",
		"a text that says more":        string(bsd) + strings.Repeat("Whoever runs this owes the author a tenth of what he earns by it.\n", 20),
	} {
		if name, err := classify([]byte(text)); !errors.Is(err, ErrLicence) {
			t.Errorf("%s is %q: %v", what, name, err)
		}
	}
}

// A module that says nothing of its terms may not be linked.
func TestNoTerms(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("MIT, promised"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &dependency{Path: "example.org/x", Dir: dir}
	if err := d.read(); !errors.Is(err, ErrLicence) || !strings.Contains(err.Error(), "example.org/x") {
		t.Error(err)
	}
}

func TestStalePage(t *testing.T) {
	list, err := dependencies(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	fresh := string(page(list))
	if stale := string(page(list[1:])); stale == fresh {
		t.Error("a module more or less makes no other page")
	}
	for _, d := range list {
		if !strings.Contains(fresh, "| "+d.Path+" | "+d.licence+" |") {
			t.Errorf("%s is not on the page", d.Path)
		}
	}
}
