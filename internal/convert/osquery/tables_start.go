package osquery

// startTables are what starts by itself, and the kernel.
func startTables() []table {
	return []table{
		{name: "crontab", module: "cron", where: `$kind IN ("crontab", "user")`, columns: []column{
			as("event", `extract($schedule, '^@(\w+)', 1)`).returns("$schedule"),
			schedule("minute", `^([^@\s]\S*)`), schedule("hour", `^[^@\s]\S*\s+(\S+)`), schedule("day_of_month", `^[^@\s]\S*(?:\s+\S+)\s+(\S+)`),
			schedule("month", `^[^@\s]\S*(?:\s+\S+){2}\s+(\S+)`), schedule("day_of_week", `^[^@\s]\S*(?:\s+\S+){3}\s+(\S+)`),
			column{name: "command", expr: "$command", shown: "$user, $command", front: "the user of a crontab of the system"},
			as("path", "$path").always().follows("$path", "file"),
		}},
		{name: "startup_items", module: "startup", where: `$kind IN ("init_d", "xdg_autostart")`, columns: []column{
			as("name", "$path.name").always().returns("$path"), as("path", "$program").follows("$program", "file"),
			none("args", "column command has the whole line"), as("type", "$kind").always().known("Startup Item", "xdg_autostart"), as("source", "$path").follows("$path", "file"),
			none("status", "whether it is at work is not kept in the files"), as("username", "$user").follows("$user", "user"),
		}},
		{name: "systemd_units", module: "unit", where: `$scope = "system"`, columns: []column{
			as("id", "$name").always(), as("description", "$description"),
			column{name: "load_state", shown: "$enabled"}.meaning("masked", `$enabled IN ("masked", "masked-runtime")`, "loaded", `$enabled NOT IN ("masked", "masked-runtime")`),
			column{name: "active_state", shown: "$active"}.meaning("active", "$active", "inactive", "NOT $active"),
			column{name: "sub_state", shown: "$active"}.meaning("running", "$active", "dead", "NOT $active"),
			as("unit_file_state", "$enabled"),
			none("following", "which unit follows which is known to systemd alone"), none("object_path", "it is a name of D-Bus"),
			none("job_id", "jobs are known to systemd alone"), none("job_type", "jobs are known to systemd alone"), none("job_path", "jobs are known to systemd alone"),
			as("fragment_path", "$path").always().follows("$path", "file"), as("user", "$user").follows("$user", "user"), as("source_path", "$target"),
		}},
		{name: "kernel_modules", module: "kernel_module", where: "$loaded", keys: []string{"name"}, columns: []column{
			as("name", "$name").always(), num("size", "$size").or("0"), as("used_by", `join($used_by, ",")`).or("-", "").returns("$used_by"),
			as("status", "$state").known("Live", "live", "Loading", "loading", "Unloading", "unloading"), as("address", "$address"),
		}},
		{name: "kernel_info", module: "kernel", single: true, columns: []column{
			as("version", "concat($version)").always().returns("$version"),
			as("arguments", `trim(replace(replace($command_line, coalesce(extract($command_line, 'BOOT_IMAGE=\S+ ?'), ""), ""), coalesce(extract($command_line, '\broot=\S+ ?'), ""), ""))`).returns("$command_line"),
			as("path", `extract($command_line, 'BOOT_IMAGE=(\S+)', 1)`).returns("$command_line"),
			as("device", `extract($command_line, '\broot=(\S+)', 1)`).returns("$command_line"),
		}},
		{name: "kernel_integrity", why: "osquery gave it up with its module of the kernel: module kernel says how far the kernel is closed, and kernel_module what hides"},
		{name: "kernel_keys", why: "the keys of the kernel's keyrings are not listed"},
		{name: "system_controls", module: "sysctl", keys: []string{"name"}, columns: []column{
			as("name", "$name").always(), as("subsystem", `extract($name, '^[^.]+')`).always().returns("$name"), as("current_value", "$value"),
			as("config_value", "$configured"), fixed("oid", `""`), column{name: "type", expr: `"string"`}, fixed("field_name", `""`),
		}},
		{name: "secureboot", module: "kernel", single: true, columns: []column{
			yes("secure_boot", "$secure_boot").or("-1", "0"), yes("setup_mode", "$setup_mode").or("-1", "0"), fixed("secure_mode", "0"), fixed("description", `""`), fixed("kernel_extensions", `""`), fixed("mdm_operations", `""`),
		}},
		{name: "selinux_settings", why: "the settings of SELinux are not read: column security_modules of kernel says whether it is at work"},
		{name: "apparmor_profiles", why: "the profiles of AppArmor are not listed: column security_modules of kernel says whether it is at work"},
	}
}

// schedule is one of the five fields of a time.
func schedule(name, regex string) column {
	return as(name, `extract($schedule, '`+regex+`', 1)`).returns("$schedule")
}
