package osquery

// fileKinds are the kinds of files, as the two call them.
var fileKinds = []string{"regular", "file", "directory", "directory", "symlink", "link", "fifo", "fifo", "socket", "socket", "block", "block", "character", "char"}

// fileTables are files and what is in them.
func fileTables() []table {
	path := as("path", "$path").always().follows("$path", "file")
	dir := as("directory", "$dir").always().follows("$dir", "file")
	return []table{
		{name: "file", module: "file", keys: []string{"path"}, columns: []column{
			path, dir,
			as("filename", "$name").always(),
			num("inode", "$inode"),
			num("uid", "$uid").follows("$owner", "user"),
			num("gid", "$gid").follows("$group", "group"),
			as("mode", "$mode_octal").always(),
			num("device", "$device"),
			num("size", "$size"),
			num("block_size", "$block_size"),
			when("atime", "$atime").always(),
			when("mtime", "$mtime").always(),
			when("ctime", "$ctime").always(),
			when("btime", "$btime"),
			num("hard_links", "$links"),
			yes("symlink", "$target IS NOT NULL").always().returns("$target"),
			as("type", "$type").always().known(fileKinds...),
			as("symlink_target_path", "$target"),
			fixed("attributes", `""`), fixed("volume_serial", `""`), fixed("file_id", `""`), fixed("file_version", `""`),
			fixed("product_version", `""`), fixed("original_filename", `""`), fixed("bsd_flags", `""`),
		}},
		{name: "hash", module: "file", where: `$type = "file"`, keys: []string{"path"}, columns: []column{
			path, dir, as("md5", "$md5"), as("sha1", "$sha1"), as("sha256", "$sha256"),
			none("ssdeep", "fuzzy hashes are not computed").hide(),
		}},
		{name: "suid_bin", module: "file", in: []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/tmp"},
			where: `$type = "file" AND ($suid OR $sgid)`, columns: []column{
				path, as("username", "$owner").follows("$owner", "user"), as("groupname", "$group").follows("$group", "group"),
				as("permissions", `concat(if($suid, "S", ""), if($sgid, "G", ""))`).always().returns("$suid, $sgid"),
			}},
		{name: "magic", module: "file", keys: []string{"path"}, columns: []column{
			path, fixed("magic_db_files", `""`),
			none("data", "files are recognised by their first bytes, and file's own words for them are not there: column mime says what a file is"),
			as("mime_type", "$mime"), none("mime_encoding", "the encoding of texts is not guessed"),
		}},
		{name: "extended_attributes", module: "file", where: "len($xattrs) > 0", rows: "a row for each file, which lists the names of its attributes", columns: []column{
			path, dir, as("key", `join($xattrs, ", ")`).always().returns("$xattrs"),
			none("value", "the values of extended attributes are not read, but for capabilities"), none("base64", "the values of extended attributes are not read"),
		}},
		{name: "elf_info", module: "elf", keys: []string{"path"}, columns: []column{
			as("class", `concat($bits)`).always().known("64", "64", "32", "32").returns("$bits"),
			as("abi", "$byte_order").always().returns("$byte_order"),
			none("abi_version", "it is 0 in what runs on Linux"),
			as("type", "$type").always().known("exec", "executable", "dyn", "pie", "rel", "relocatable", "core", "core"),
			as("machine", "$architecture"), none("version", "it is always 1"), as("entry", "$entry_point").always(), none("flags", "flags of processors are not read"),
			as("path", "$path").always().follows("$path", "file"),
		}},
		{name: "elf_dynamic", module: "elf", rows: "a row for each file, which lists its libraries", columns: []column{
			as("value", `join($needed, " ")`).returns("$needed"), as("path", "$path").always().follows("$path", "file"),
			none("tag", "the dynamic section is shown as needed, rpath, runpath and soname"), none("class", "column bits of elf says it"),
		}},
		{name: "elf_sections", module: "elf", rows: "a row for each file, which lists its sections", columns: []column{
			as("name", `join($sections, " ")`).always().returns("$sections"), as("path", "$path").always().follows("$path", "file"),
			none("size", "of sections the names are shown"), none("type", "of sections the names are shown"), none("vaddr", "of sections the names are shown"),
		}},
		{name: "elf_symbols", module: "elf", rows: "a row for each file, which lists its symbols", columns: []column{
			as("name", `join($imports, " ")`).returns("$imports, $exports"), as("path", "$path").always().follows("$path", "file"),
			none("addr", "of symbols the names are shown"), none("type", "of symbols the names are shown"), none("size", "of symbols the names are shown"),
		}},
		{name: "elf_segments", why: "the segments of programs are not rows: module elf says of them what is unsafe (writable_code, nx, relro)"},
		{name: "device_file", why: "file systems are not read past the kernel"},
		{name: "device_hash", why: "file systems are not read past the kernel"},
		{name: "device_partitions", why: "file systems are not read past the kernel: module disk lists partitions"},
		{name: "carves", why: "osquery's store of carved files is its own: column content of file brings files"},
		{name: "yara", module: "file", where: "", keys: []string{"path"}, columns: []column{
			path, none("matches", "rules are not named in a query that is carried over: FIND file … YARA @rules.yar asks them"),
			none("count", "rules are not named in a query that is carried over"), none("sig_group", "groups of rules stand in osquery's own configuration"),
			none("sigfile", "the file of rules lies where osquery runs"), none("sigrule", "write the rule into a file: FIND file … YARA @rules.yar"),
			none("strings", "column yara.strings has them"), none("tags", "column yara.tags has them"), none("sigurl", "rules are not fetched by endpoints"),
		}},
	}
}
