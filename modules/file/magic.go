package file

import (
	"bytes"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/file/unpack"
)

// A signature is how content of a media type begins.
type signature struct {
	at    int
	magic string
	mime  string
}

// signatures are looked at in this order; the last begin with so few bytes, or
// such usual ones, that they count only in what is not text.
var signatures = [...]signature{
	{0, "\x7fELF", "application/x-elf"},
	{0, "MZ", "application/vnd.microsoft.portable-executable"},
	{0, "\xfe\xed\xfa\xce", "application/x-mach-binary"},
	{0, "\xfe\xed\xfa\xcf", "application/x-mach-binary"},
	{0, "\xce\xfa\xed\xfe", "application/x-mach-binary"},
	{0, "\xcf\xfa\xed\xfe", "application/x-mach-binary"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"},
	{0, "SQLite format 3\x00", "application/vnd.sqlite3"},
	{0, "!<arch>\ndebian-binary", "application/vnd.debian.binary-package"},
	{0, "!<arch>\n", "application/x-archive"},
	{0, "\xed\xab\xee\xdb", "application/x-rpm"},
	{0, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
	{0, "MSCF", "application/vnd.ms-cab-compressed"},
	{0, "070701", "application/x-cpio"},
	{0, "\x04\x22\x4d\x18", "application/x-lz4"},
	{0, "LZIP", "application/x-lzip"},
	{0, "\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"},
	{0, "\x0a\x0d\x0d\x0a", "application/x-pcapng"},
	{0, "regf", "application/x-windows-registry"},
	{0, "ElfFile\x00", "application/x-ms-evtx"},
	{0, "LfLe", "application/x-ms-evt"},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
	{0, "{\\rtf", "application/rtf"},
	{0, "%!PS", "application/postscript"},
	{0, "-----BEGIN PGP ", "application/pgp-encrypted"},
	{0, "-----BEGIN OPENSSH PRIVATE KEY", "application/x-openssh-key"},
	{0, "-----BEGIN ", "application/x-pem-file"},
	{0, "\x00asm", "application/wasm"},
	{0, "hsqs", "application/x-squashfs"},
	{0, "QFI\xfb", "application/x-qemu-disk"},
	{0, "KDMV", "application/x-vmdk"},
	{0, "LUKS\xba\xbe", "application/x-luks"},
	{0, "dex\n03", "application/x-dex"},
	{0, "LPKSHHRH", "application/x-systemd-journal"},
	{0, "%PDF-", "application/pdf"},
	{0, "PK\x03\x04", "application/zip"},
	{0, "PK\x05\x06", "application/zip"},
	{0, "Rar!\x1a\x07", "application/x-rar-compressed"},
	{0, "\x89PNG\r\n\x1a\n", "image/png"},
	{0, "GIF87a", "image/gif"},
	{0, "GIF89a", "image/gif"},
	{0, "\xff\xd8\xff", "image/jpeg"},
	{8, "WEBPVP", "image/webp"},
	{8, "WAVE", "audio/wave"},
	{8, "AVI ", "video/avi"},
	{0, "OggS\x00", "application/ogg"},
	{0, "ID3", "audio/mpeg"},
	{0, "MThd\x00\x00\x00\x06", "audio/midi"},
	{0, "fLaC", "audio/flac"},
	{4, "ftyp", "video/mp4"},
	{0, "\x1aE\xdf\xa3", "video/webm"},
	{0, "\x00\x01\x00\x00\x00", "font/ttf"},
	{0, "OTTO\x00", "font/otf"},
	{0, "ttcf", "font/collection"},
	{0, "wOFF", "font/woff"},
	{0, "wOF2", "font/woff2"},
	{0, "\x00\x00\x01\x00", "image/x-icon"},
	{0, "BM", "image/bmp"},
}

// firstOfBinary is the signature from which on content must not be text.
const firstOfBinary = "WEBPVP"

// textMarks are how a text begins that is more than plain, in lower case and
// behind blanks.
var textMarks = [...]struct{ mark, mime string }{
	{"<?xml", "text/xml"}, {"<!doctype html", "text/html"}, {"<html", "text/html"}, {"<head", "text/html"},
	{"<script", "text/html"}, {"<body", "text/html"}, {"<!--", "text/html"},
}

// formats name what package unpack recognises.
func formatName(f unpack.Format) string {
	switch f {
	case unpack.Gzip:
		return "application/gzip"
	case unpack.Zstd:
		return "application/zstd"
	case unpack.Xz:
		return "application/x-xz"
	case unpack.Bzip2:
		return "application/x-bzip2"
	case unpack.Tar:
		return "application/x-tar"
	}
	return ""
}

// javaVersions are the major versions of class files; the same four bytes
// begin a Mach-O file for several processors, of which there are fewer.
const javaVersions = 43

// mimeOf gives the media type of content that begins with head.
func mimeOf(head []byte) string {
	if len(head) == 0 {
		return "application/x-empty"
	}
	if bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")) && len(head) >= 8 {
		if head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] < javaVersions {
			return "application/x-mach-binary"
		}
		return "application/java-vm"
	}
	text := isText(head)
	for _, s := range signatures {
		if text && s.magic == firstOfBinary {
			break
		}
		if len(head) >= s.at+len(s.magic) && string(head[s.at:s.at+len(s.magic)]) == s.magic {
			return s.mime
		}
	}
	if name := formatName(unpack.Detect(head)); name != "" {
		return name
	}
	if bytes.HasPrefix(head, []byte("#!")) {
		return script(head)
	}
	if !text {
		return "application/octet-stream"
	}
	begin := bytes.TrimLeft(head[:min(len(head), 256)], "\ufeff \t\r\n\f")
	for _, m := range textMarks {
		if len(begin) >= len(m.mark) && strings.EqualFold(string(begin[:len(m.mark)]), m.mark) {
			return m.mime
		}
	}
	return "text/plain"
}

// isText says whether content has none of the control characters that no text
// has, in its first sniffed bytes, or is marked as UTF-16.
func isText(head []byte) bool {
	const sniffed = 512
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return true
	}
	for _, c := range head[:min(len(head), sniffed)] {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != 0x1b {
			return false
		}
	}
	return true
}

// script gives the type of a script by its interpreter.
func script(head []byte) string {
	first, _ := cutLine(head[:min(len(head), 256)])
	words := bytes.Fields(first[2:])
	if len(words) == 0 {
		return "text/plain"
	}
	name := words[0]
	if bytes.HasSuffix(name, []byte("/env")) && len(words) > 1 {
		name = words[1]
	}
	name = name[bytes.LastIndexByte(name, '/')+1:]
	for _, known := range [...][2]string{
		{"python", "text/x-python"}, {"perl", "text/x-perl"}, {"ruby", "text/x-ruby"}, {"node", "text/javascript"},
		{"php", "text/x-php"}, {"lua", "text/x-lua"}, {"awk", "text/x-awk"}, {"gawk", "text/x-awk"},
	} {
		if bytes.HasPrefix(name, []byte(known[0])) {
			return known[1]
		}
	}
	return "text/x-shellscript"
}
