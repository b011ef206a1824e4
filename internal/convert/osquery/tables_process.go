package osquery

// processTables are what runs.
func processTables() []table {
	pid := num("pid", "$process").follows("$process", "process")
	return []table{
		{name: "processes", module: "process", keys: []string{"pid"}, columns: []column{
			num("pid", "$pid"),
			as("name", "$name").always(),
			as("path", "$path").follows("$exe", "file"),
			as("cmdline", "$cmdline"),
			as("state", "$state").always().known("R", "running", "S", "sleeping", "D", "disk_sleep", "T", "stopped", "t", "traced", "Z", "zombie", "X", "dead", "I", "idle", "P", "parked"),
			as("cwd", "$cwd").follows("$cwd", "file"),
			as("root", "$root").follows("$root", "file"),
			num("uid", "$uid").follows("$user", "user"),
			num("gid", "$gid"),
			num("euid", "$euid"),
			num("egid", "$egid"),
			num("suid", "$saved_uid"),
			num("sgid", "$saved_gid"),
			column{name: "on_disk", kind: number, shown: "$deleted"}.meaning("1", "$exe IS NOT MISSING", "0", "$exe IS MISSING", "-1", "$path IS NULL"),
			fixed("wired_size", "0"),
			num("resident_size", "$memory"),
			num("total_size", "$virtual_memory"),
			num("user_time", "$user_time / 1ms").returns("$user_time"),
			num("system_time", "$system_time / 1ms").returns("$system_time"),
			num("disk_bytes_read", "$read_bytes").or("0"),
			num("disk_bytes_written", "$written_bytes").or("0"),
			when("start_time", "$started").always(),
			num("parent", "$parent").follows("$parent", "process"),
			num("pgroup", "$process_group"),
			num("threads", "$threads"),
			num("nice", "$nice"),
			as("cgroup_path", "$cgroup"),
			fixed("elapsed_time", "-1"), fixed("handle_count", "-1"), fixed("percent_processor_time", "-1"),
		}},
		{name: "process_open_files", module: "open_file", where: `$type IN ("file", "device")`, columns: []column{
			pid, num("fd", "$fd"),
			as("path", "$path").follows("$path", "file"),
		}},
		{name: "process_open_pipes", why: "which processes share a pipe is not worked out: open_file shows the pipes that each has open, by their numbers"},
		{name: "process_envs", module: "environment", columns: []column{
			pid, as("key", "$name").always(), as("value", "$value"),
		}},
		{name: "process_memory_map", module: "mapping", columns: []column{
			pid, as("start", "$start").always(), as("end", "$end").always(), as("permissions", "$permissions").always(),
			num("offset", "$offset"), as("device", "$device").always(), num("inode", "$inode"),
			as("path", "$name").follows("$path", "file"),
			yes("pseudo", "$anonymous AND $name IS NOT NULL").always(),
		}},
		{name: "process_namespaces", module: "process", keys: []string{"pid"}, columns: []column{
			num("pid", "$pid"),
			namespace("cgroup_namespace", "cgroup"), namespace("ipc_namespace", "ipc"), namespace("mnt_namespace", "mnt"),
			namespace("net_namespace", "net"), namespace("pid_namespace", "pid"), namespace("user_namespace", "user"), namespace("uts_namespace", "uts"),
		}},
	}
}

// namespace is the number of one of the namespaces of a process.
func namespace(name, kind string) column {
	return as(name, `extract(join($namespaces, " "), '`+kind+`:\[(\d+)\]', 1)`).returns("$namespaces")
}
