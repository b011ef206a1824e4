package osquery

// machineTables are the machine and its system.
func machineTables() []table {
	return []table{
		{name: "system_info", module: "host", single: true, columns: []column{
			as("hostname", "$hostname").always(), as("uuid", "$uuid"), as("cpu_type", "$arch").always().known("x86_64", "amd64", "aarch64", "arm64"), instead("cpu_subtype", "$cpu", "column cpu names the model"),
			as("cpu_brand", "$cpu"), num("cpu_physical_cores", "$cores").or("-1"), num("cpu_logical_cores", "$cpus"), num("cpu_sockets", "$sockets").or("-1"),
			as("cpu_microcode", "$microcode"), num("physical_memory", "$memory"), as("hardware_vendor", "$vendor"), as("hardware_model", "$model"), as("hardware_version", "$model_version"),
			as("hardware_serial", "$serial"), as("board_vendor", "$board_vendor"), as("board_model", "$board_model"),
			as("board_version", "$board_version"), as("board_serial", "$board_serial"),
			as("computer_name", "$hostname").always(), as("local_hostname", "$hostname").always(), fixed("emulated_cpu_type", `""`),
		}},
		{name: "os_version", module: "host", single: true, columns: []column{
			as("name", "$distro_name").always(), as("version", "$release"), num("major", `number(extract(concat($version), '^\d+'))`).or("0").returns("$version"),
			num("minor", `number(extract(concat($version), '^\d+\.(\d+)', 1))`).or("0").returns("$version"), num("patch", `number(extract(concat($version), '^\d+\.\d+\.(\d+)', 1))`).or("0").returns("$version"),
			as("build", "$build_id"), as("platform", "$distro").always(), as("platform_like", "$distro_like"), as("codename", "$codename"),
			as("arch", "$arch").always().known("x86_64", "amd64", "aarch64", "arm64"), fixed("extra", `""`), fixed("install_date", `""`), fixed("revision", `""`), fixed("mount_namespace_id", `""`),
		}},
		{name: "uptime", module: "host", single: true, columns: []column{
			num("days", "$uptime / 1d").returns("$uptime"), num("hours", "$uptime / 1h").returns("$uptime"), num("minutes", "$uptime / 1m").returns("$uptime"), num("seconds", "$uptime / 1s").returns("$uptime"),
			span("total_seconds", "$uptime"),
		}},
		{name: "time", module: "host", single: true, columns: []column{
			as("weekday", `format_time(now, "%a")`).always().returns("now"), num("year", `number(format_time(now, "%Y"))`).returns("now"), num("month", `number(format_time(now, "%m"))`).returns("now"),
			num("day", `number(format_time(now, "%d"))`).returns("now"), num("hour", `number(format_time(now, "%H"))`).returns("now"), num("minutes", `number(format_time(now, "%M"))`).returns("now"), num("seconds", `number(format_time(now, "%S"))`).returns("now"),
			as("timezone", `"UTC"`).always().returns("now"), as("local_timezone", "$timezone"), when("unix_time", "now").always(), as("timestamp", `format_time(now, "%a %b %d %H:%M:%S %Y UTC")`).always().returns("now"),
			as("datetime", `format_time(now, "%Y-%m-%dT%H:%M:%SZ")`).always().returns("now"), as("iso_8601", `format_time(now, "%Y-%m-%dT%H:%M:%SZ")`).always().returns("now"), when("local_time", "now").always().hide(), fixed("win_timestamp", `""`),
		}},
		{name: "mounts", module: "mount", keys: []string{"path"}, where: `$path IS NOT NULL`, columns: []column{
			as("device", "$device").always().follows("$device", "file"), as("device_alias", "coalesce($device.target_path, $device)").always().returns("$device"), as("path", "$path").always().follows("$path", "file"),
			as("type", "$type").always(), num("blocks_size", "$block_size").or("0"), num("blocks", "$size / ($block_size * 1B)").or("0").returns("$size"), num("blocks_free", "$free / ($block_size * 1B)").or("0").returns("$free"),
			num("blocks_available", "$available / ($block_size * 1B)").or("0").returns("$available"), num("inodes", "$inodes").or("0"), num("inodes_free", "$inodes_free").or("0"), as("flags", `join($options, ",")`).always().returns("$options"),
		}},
		{name: "block_devices", module: "disk", rows: "a row for each disk, which lists its partitions", columns: []column{
			as("name", "$device").always().follows("$device", "file"), as("parent", `join($made_of, " ")`).returns("$made_of"), as("vendor", "$vendor"), as("model", "$model"), num("size", "$size / 512B").returns("$size"), none("block_size", "sizes are in bytes"),
			none("uuid", "the names of file systems are not read from disks: module mount has what is mounted"), none("type", "the file systems of disks are not read: module mount has what is mounted"), none("label", "the labels of file systems are not read from disks"),
			as("serial", "$serial"),
		}},
		{name: "disk_encryption", module: "disk", rows: "a row for each disk, which lists its partitions", columns: []column{
			as("name", "$device").always().follows("$device", "file"), as("uuid", "$mapped_id").returns("$mapped_id"), yes("encrypted", `coalesce($mapped_id STARTS WITH "CRYPT-", false)`).always().returns("$mapped_id"),
			as("type", "$mapped_id").returns("$mapped_id"), column{name: "encryption_status", shown: "$mapped_id"}.meaning("encrypted", `$mapped_id STARTS WITH "CRYPT-"`, "not encrypted", `NOT coalesce($mapped_id STARTS WITH "CRYPT-", false)`),
			fixed("uid", `""`), fixed("user_uuid", `""`), fixed("filevault_status", `""`),
		}},
		{name: "usb_devices", module: "usb", columns: []column{
			as("usb_address", "$address"), as("usb_port", "$bus"), as("vendor", "$vendor"), as("vendor_id", "$vendor_id").always(), as("version", "$revision"), as("model", "$product"), as("model_id", "$product_id").always(),
			as("serial", "$serial"), as("class", "$class"), as("subclass", `join($interfaces, " ")`).returns("$interfaces"), as("protocol", `join($interfaces, " ")`).returns("$interfaces"),
			column{name: "removable", shown: "$removable"}.meaning("1", `$removable = "removable"`, "0", `$removable IN ("fixed", "unknown")`, "-1", `$removable IS NULL`),
		}},
		{name: "pci_devices", module: "pci", keys: []string{"pci_slot"}, columns: []column{
			as("pci_slot", "$name").always(), as("pci_class", "$class"), as("driver", "$driver"), as("vendor", "$vendor"), as("vendor_id", "$vendor_id"), as("model", "$product"), as("model_id", "$product_id"),
			as("pci_class_id", "$class_id"), as("pci_subclass_id", "$class_id"), as("pci_subclass", "$class_id"), as("subsystem_vendor_id", "$subsystem_vendor_id"), as("subsystem_vendor", "$subsystem_vendor_id"),
			as("subsystem_model_id", "$subsystem_product_id"), as("subsystem_model", "$subsystem_product_id"),
		}},
		{name: "certificates", module: "certificate", columns: []column{
			as("common_name", "$common_name"), as("subject", "$subject"), as("issuer", "$issuer"), yes("ca", "$is_ca"), yes("self_signed", "$self_signed"), when("not_valid_before", "$not_before").always(), when("not_valid_after", "$not_after").always(),
			as("signing_algorithm", "$signature_algorithm"), as("key_algorithm", "$key_type").known("rsaEncryption", "rsa", "id-ecPublicKey", "ecdsa"), as("key_strength", "concat($key_bits)").returns("$key_bits"), as("key_usage", `join($key_usage, ", ")`).returns("$key_usage"),
			as("subject_key_id", "$subject_key_id"), as("authority_key_id", "$authority_key_id"), as("sha1", "$sha1").always(), as("path", "$path").always().follows("$path", "file"), as("serial", "$serial").always(),
			fixed("sid", `""`), fixed("store_location", `""`), fixed("store", `""`), fixed("username", `""`), fixed("store_id", `""`), as("subject2", "$subject").hide(), as("issuer2", "$issuer").hide(),
		}},
		{name: "platform_info", module: "host", single: true, columns: []column{
			as("vendor", "$bios_vendor"), as("version", "$bios_version"), as("date", "$bios_date"), none("revision", "of the firmware vendor, version and date are read"), none("extra", "of the firmware vendor, version and date are read"),
			none("firmware_type", "column secure_boot of kernel is null where it is not EFI"), none("address", "of the firmware vendor, version and date are read"), none("size", "of the firmware vendor, version and date are read"), none("volume_size", "of the firmware vendor, version and date are read"),
		}},
		{name: "cpu_info", module: "host", single: true, columns: []column{
			as("model", "$cpu"), num("logical_processors", "$cpus"), none("device_id", "processors are counted in column cpus"), none("manufacturer", "column cpu names the model"), none("processor_type", "column cpu names the model"),
			none("cpu_status", "it is a figure of the moment"), none("number_of_cores", "processors are counted with their threads"), none("address_width", "column arch says it"), none("current_clock_speed", "it is a figure of the moment"),
			none("max_clock_speed", "the speeds of processors are not read"), none("socket_designation", "the tables of the firmware are not read"), none("availability", "it is a figure of the moment"), none("load_percentage", "it is a figure of the moment"),
			none("number_of_efficiency_cores", "it is a column of macOS").hide(), none("number_of_performance_cores", "it is a column of macOS").hide(),
		}},
		{name: "load_average", module: "line", in: []string{"/proc/loadavg"}, raw: true, rows: "one row with the three figures, as the kernel writes them", columns: []column{
			none("period", "the line has those of one, five and fifteen minutes, in this order"), as("average", "$text").always(),
		}},
		{name: "memory_info", module: "host", single: true, columns: []column{
			num("memory_total", "$memory"), num("memory_free", "$memory_free").or("0"), num("memory_available", "$memory_available").or("0"), num("buffers", "$memory_buffers").or("0"), num("cached", "$memory_cached").or("0"),
			num("swap_cached", "$swap_cached").or("0"), num("active", "$memory_active").or("0"), num("inactive", "$memory_inactive").or("0"), num("swap_total", "$swap").or("0"), num("swap_free", "$swap_free").or("0"),
		}},
		{name: "cpu_time", module: "line", in: []string{"/proc/stat"}, where: `$text MATCHES '^cpu\d'`, columns: processorTimes("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")},
		{name: "acpi_tables", module: "file", in: []string{"/sys/firmware/acpi/tables/*"}, where: `$type = "file"`, columns: []column{
			as("name", "$name").always(), num("size", "$size"), as("md5", "$md5"),
		}},
	}
}

// processorTimes are the figures of a processor, in the order of its line in
// /proc/stat.
func processorTimes(names ...string) []column {
	out := []column{num("core", `int(extract($text, '^cpu(\d+)', 1))`)}
	for i, n := range names {
		out = append(out, num(n, `int(extract($text, '^cpu\d+(?: +\d+){`+number10(i)+`} +(\d+)', 1))`))
	}
	return out
}
