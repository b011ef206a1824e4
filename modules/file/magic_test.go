package file

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMIME(t *testing.T) {
	for head, want := range map[string]string{
		"":                                    "application/x-empty",
		"hello\n":                             "text/plain",
		"na\xc3\xafve \x1b[1m":                "text/plain",
		"\xff\xfeh\x00i\x00":                  "text/plain",
		"\ufeff<?xml version=\"1.0\"?>":       "text/xml",
		"\n <!DocType HTML><p>":               "text/html",
		"a \x01 b":                            "application/octet-stream",
		"\x7fELF\x02\x01":                     "application/x-elf",
		"MZ\x90\x00":                          "application/vnd.microsoft.portable-executable",
		"\xca\xfe\xba\xbe\x00\x00\x00\x34":    "application/java-vm",
		"\xca\xfe\xba\xbe\x00\x00\x00\x02":    "application/x-mach-binary",
		"\x1f\x8b\x08\x00":                    "application/gzip",
		"PK\x03\x04\x14\x00":                  "application/zip",
		"%PDF-1.7\n":                          "application/pdf",
		"\x89PNG\r\n\x1a\n\x00":               "image/png",
		"GIF89a\x01\x00":                      "image/gif",
		"\xff\xd8\xff\xe0":                    "image/jpeg",
		"RIFF\x00\x00\x00\x00WEBPVP8 ":        "image/webp",
		"RIFF\x24\x00\x00\x00WAVEfmt ":        "audio/wave",
		"\x00\x00\x00\x18ftypmp42":            "video/mp4",
		"BM\x36\x00\x00\x00":                  "image/bmp",
		"BMW is a maker of cars\n":            "text/plain",
		"otto\n":                              "text/plain",
		"#!/bin/sh\n":                         "text/x-shellscript",
		"#!/usr/bin/env python3\n":            "text/x-python",
		"-----BEGIN OPENSSH PRIVATE KEY-----": "application/x-openssh-key",
	} {
		if got := mimeOf([]byte(head)); got != want {
			t.Errorf("%q is %s, not %s", head, got, want)
		}
	}
}

// What the standard library takes for text, or for neither, is so here too,
// where no signature of ours says more.
func TestMIMELikeTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SliceOfN(rapid.ByteRange(0x07, 0x80), 1, 40).Draw(t, "head")
		want, _, _ := strings.Cut(http.DetectContentType(head), ";")
		got := mimeOf(head)
		plain := got == "text/plain" || got == "application/octet-stream"
		if plain && (want == "text/plain" || want == "application/octet-stream") && got != want {
			t.Fatalf("%q is %s, not %s", head, got, want)
		}
	})
}
