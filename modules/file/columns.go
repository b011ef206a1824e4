package file

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara/asking"
	"github.com/quaestor-engine/quaestor/value"
)

// The columns, in the order of the schema.
const (
	colPath = iota
	colName
	colDir
	colExtension
	colELF
	colMachO
	colPE
	colType
	colSize
	colMode
	colModeOctal
	colSUID
	colSGID
	colSticky
	colExecutable
	colWorldWritable
	colUID
	colGID
	colOwner
	colGroup
	colMTime
	colATime
	colCTime
	colBTime
	colInode
	colDevice
	colLinks
	colBlockSize
	colImmutable
	colAttributes
	colHidden
	colTarget
	colTargetPath
	colXattrs
	colCapabilities
	colOwnerSID
	colStreams
	colOriginURL
	colOriginReferrer
	colOriginAgent
	colOriginTime
	colOriginZone
	colQuarantine
	colPackage
	colMIME
	colMD5
	colSHA1
	colSHA224
	colSHA256
	colSHA384
	colSHA512
	colSHA3x224
	colSHA3x256
	colSHA3x384
	colSHA3x512
	colBLAKE3
	colEntropy
	colContent
	colLineNumber
	colLineOffset
	colLine
	colYara // the first of asking.Columns
)

// columns are the rows of the table below, in the order of the constants.
func columns() []modules.Column {
	unix := []string{"linux", "darwin"}
	linux := []string{"linux"}
	windows := []string{"windows"}
	marked := []string{"darwin", "windows"}
	list := []modules.Column{
		colPath:      {Name: "path", Type: value.Text, Default: true, Link: "file", Doc: "the whole path, its literal front as the query wrote it"},
		colName:      {Name: "name", Type: value.Text, Doc: "the last part of the path"},
		colDir:       {Name: "dir", Type: value.Text, Link: "file", Doc: "the path without its last part"},
		colExtension: {Name: "extension", Type: value.Text, Doc: "what follows the last dot of the name, as it is written; null for .profile and name."},
		colELF:       {Name: "elf", Type: value.Text, Link: "elf", Doc: "the same path, to go on into module elf: elf.interpreter; it leads nowhere where the file is of another format"},
		colMachO:     {Name: "macho", Type: value.Text, Link: "macho", Doc: "the same into module macho: macho.team"},
		colPE:        {Name: "pe", Type: value.Text, Link: "pe", Doc: "the same into module pe: pe.signed"},
		colType: {Name: "type", Type: value.Text, Default: true, Doc: "what kind of thing it is",
			Values: []string{"file", "directory", "link", "fifo", "socket", "block", "char"}},
		colSize:          {Name: "size", Type: value.Size, Cost: modules.Stat, Default: true, Doc: "length in bytes; of a sparse file the length that it claims, of a link that of its text"},
		colMode:          {Name: "mode", Type: value.Mode, Cost: modules.Stat, Default: true, Doc: "kind and permissions as ls -l shows them, such as -rwsr-xr-x"},
		colModeOctal:     {Name: "mode_octal", Type: value.Text, Cost: modules.Stat, Doc: "set-id bits and permissions in four octal digits, such as 4755"},
		colSUID:          {Name: "suid", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "it runs as its owner"},
		colSGID:          {Name: "sgid", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "it runs as its group; of a directory, files in it inherit the group"},
		colSticky:        {Name: "sticky", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "in a directory, only its owner may remove a file"},
		colExecutable:    {Name: "executable", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "somebody may run it: one of its three x bits is set"},
		colWorldWritable: {Name: "world_writable", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "everybody may write it; of a link it says nothing"},
		colUID:           {Name: "uid", Type: value.Int, Cost: modules.Stat, OS: unix, Doc: "number of the owner"},
		colGID:           {Name: "gid", Type: value.Int, Cost: modules.Stat, OS: unix, Doc: "number of the group"},
		colOwner:         {Name: "owner", Type: value.Text, Cost: modules.Stat, Default: true, Link: "user", Doc: "name of the owner by /etc/passwd, on Windows with its domain before it unless that is the machine; null if it has none there"},
		colGroup:         {Name: "group", Type: value.Text, Cost: modules.Stat, Link: "group", OS: unix, Doc: "name of the group by /etc/group; null if it has none there"},
		colMTime:         {Name: "mtime", Type: value.Time, Cost: modules.Stat, Default: true, Doc: "when the content last changed"},
		colATime:         {Name: "atime", Type: value.Time, Cost: modules.Stat, Doc: "when the content was last read, as far as the file system keeps it"},
		colCTime:         {Name: "ctime", Type: value.Time, Cost: modules.Stat, OS: unix, Doc: "when content or attributes last changed"},
		colBTime:         {Name: "btime", Type: value.Time, Cost: modules.Stat, Doc: "when it was created; null where the file system does not keep it"},
		colInode:         {Name: "inode", Type: value.Int, Cost: modules.Stat, OS: unix, Doc: "number in its file system"},
		colDevice:        {Name: "device", Type: value.Int, Cost: modules.Stat, OS: unix, Doc: "number of its file system"},
		colLinks:         {Name: "links", Type: value.Int, Cost: modules.Stat, OS: unix, Doc: "how many names it has"},
		colBlockSize:     {Name: "block_size", Type: value.Size, Cost: modules.Stat, OS: unix, Doc: "how much its file system likes to read at once"},
		colImmutable:     {Name: "immutable", Type: value.Bool, Cost: modules.Stat, OS: unix, Doc: "nobody may change it, by chattr +i or chflags; null where the file system cannot say"},
		colAttributes: {Name: "attributes", Type: value.List, Elem: value.Text, Cost: modules.Stat, OS: marked,
			Doc: "what the file is marked with: on Windows readonly, hidden, system, archive, reparse_point, encrypted and others, on macOS the flags of chflags, such as hidden, uchg or restricted"},
		colHidden:     {Name: "hidden", Type: value.Bool, Cost: modules.Stat, OS: marked, Doc: "it is marked as hidden, which a name with a dot is not"},
		colTarget:     {Name: "target", Type: value.Text, Cost: modules.Read, Doc: "where a symbolic link points, as it is written in it; of a place that the query names and that is a link, where that points"},
		colTargetPath: {Name: "target_path", Type: value.Text, Cost: modules.Read, Link: "file", Doc: "the same as a whole path, so that it can be followed: target_path IS MISSING finds links that lead nowhere"},
		colXattrs:     {Name: "xattrs", Type: value.List, Elem: value.Text, Cost: modules.Read, OS: unix, Doc: "names of the extended attributes"},
		colCapabilities: {Name: "capabilities", Type: value.Text, Cost: modules.Read, OS: linux,
			Doc: "what it may do without being root, as getcap shows it, such as cap_net_raw=ep; null if nothing"},
		colOwnerSID: {Name: "owner_sid", Type: value.Text, Cost: modules.Read, OS: windows, Doc: "identity of the owner, such as S-1-5-18"},
		colStreams: {Name: "streams", Type: value.List, Elem: value.Text, Cost: modules.Read, OS: windows,
			Doc: "names of what the file has beside its content, its alternate data streams; path:name is the locator of one"},
		colOriginURL: {Name: "origin_url", Type: value.Text, Cost: modules.Read, Content: true,
			Doc: "where it was fetched from, as who fetched it wrote beside it: into the stream Zone.Identifier, the attribute kMDItemWhereFroms, or xdg.origin.url; null where nobody did"},
		colOriginReferrer: {Name: "origin_referrer", Type: value.Text, Cost: modules.Read, Content: true, Doc: "where that was found, likewise"},
		colOriginAgent:    {Name: "origin_agent", Type: value.Text, Cost: modules.Read, Doc: "the program that fetched it, by the quarantine of macOS"},
		colOriginTime:     {Name: "origin_time", Type: value.Time, Cost: modules.Read, Doc: "when it was fetched, likewise"},
		colOriginZone:     {Name: "origin_zone", Type: value.Int, Cost: modules.Read, Doc: "the zone of Windows that it came from: 3 is the internet, 4 what is not trusted"},
		colQuarantine:     {Name: "quarantine", Type: value.Text, Cost: modules.Read, Doc: "what macOS keeps of a file that was fetched: flags, time, program, identity"},
		colPackage: {Name: "package", Type: value.Text, Cost: modules.Read, Link: "package", OS: linux,
			Doc: "the package that brought it, by the databases of dpkg, apk, pacman and rpm; null if none did"},
		colMIME:    {Name: "mime", Type: value.Text, Cost: modules.Read, Doc: "media type by the first bytes of the content"},
		colEntropy: {Name: "entropy", Type: value.Float, Cost: modules.Scan, Doc: "bits a byte of the whole content, from 0 to 8; packed and encrypted content is near 8"},
		colContent: {Name: "content", Type: value.Bytes, Cost: modules.Scan, Content: true, Doc: "the content itself, up to 1 MiB; longer content is null, and counted as left out"},
		colLineNumber: {Name: "line_number", Type: value.Int, Cost: modules.Scan, Line: true,
			Doc: "number of a line that matched, from 1"},
		colLineOffset: {Name: "line_offset", Type: value.Int, Cost: modules.Scan, Line: true,
			Doc: "where that line begins, in bytes from the beginning of the content"},
		colLine: {Name: "line", Type: value.Text, Cost: modules.Scan, Content: true, Line: true,
			Doc: "that line without its end; of a long one the surroundings of the match, as much as the setting context says"},
	}
	for i, name := range []string{
		"md5", "sha1", "sha224", "sha256", "sha384", "sha512",
		"sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake3",
	} {
		list[colMD5+i] = modules.Column{Name: name, Type: value.Hash, Cost: modules.Scan, HashBytes: hashBytes[i],
			Doc: hashDocs[i] + " of the whole content, whatever its size"}
	}
	return append(list, asking.Columns()...)
}

var hashBytes = [...]int{16, 20, 28, 32, 48, 64, 28, 32, 48, 64, 32}

var hashDocs = [...]string{
	"MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512",
	"SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "BLAKE3 in 256 bits",
}
