package osquery

// accountTables are people and what lets them in.
func accountTables() []table {
	uid := num("uid", "$user.uid").follows("$user", "user")
	return []table{
		{name: "users", module: "user", keys: []string{"uid", "username"}, columns: []column{
			num("uid", "$uid"), num("gid", "$gid"), num("uid_signed", "$uid"), num("gid_signed", "$gid"),
			as("username", "$name").always(), as("description", "$comment"), as("directory", "$home").follows("$home", "file"),
			as("shell", "$shell").follows("$shell", "file"),
			fixed("uuid", `""`), fixed("type", `""`), fixed("is_hidden", "0"), fixed("include_remote", "0"),
		}},
		{name: "groups", module: "group", keys: []string{"gid", "groupname"}, columns: []column{
			num("gid", "$gid"), num("gid_signed", "$gid"), as("groupname", "$name").always(),
			fixed("group_sid", `""`), fixed("comment", `""`), fixed("is_hidden", "0"), fixed("include_remote", "0"),
		}},
		{name: "user_groups", module: "group_member", columns: []column{
			num("uid", "$uid").follows("$user", "user"), num("gid", "$gid").follows("$group", "group"),
		}},
		{name: "shadow", module: "user", keys: []string{"username"}, columns: []column{
			as("password_status", "$password").always().known("active", "set", "locked", "locked", "not_set", "none", "empty", "none"),
			as("hash_alg", "$hash_method").known("1", "md5", "2", "blowfish", "2a", "blowfish", "2y", "blowfish", "5", "sha256", "6", "sha512", "y", "yescrypt"),
			num("last_change", "($password_changed - 1970-01-01) / 1d").or("0").returns("$password_changed"),
			num("min", "$password_min_days").or("-1"), num("max", "$password_max_days").or("-1"),
			num("warning", "$password_warn_days").or("-1"), num("inactive", "$password_inactive_days").or("-1"),
			num("expire", "($expires - 1970-01-01) / 1d").or("-1").returns("$expires"),
			fixed("flag", `""`), as("username", "$name").always(),
		}},
		{name: "authorized_keys", module: "authorized_key", users: true, where: `$path ENDS WITH ("/.ssh/authorized_keys", "/.ssh/authorized_keys2")`, columns: []column{
			uid, as("algorithm", "$type").always(), as("key", "$key").always(),
			as("options", `join($options, ",")`).returns("$options"), as("comment", "$comment"), as("key_file", "$path").always().follows("$path", "file"),
		}},
		{name: "known_hosts", module: "known_host", users: true, where: `$user IS NOT NULL`, columns: []column{
			uid, as("key", `concat(join($hosts, ","), " ", $type, " ", $key)`).always().returns("$hosts, $type, $key"), as("key_file", "$path").always().follows("$path", "file"),
		}},
		{name: "user_ssh_keys", module: "ssh_key", users: true, where: `$kind = "private" AND $user IS NOT NULL`, columns: []column{
			uid, as("path", "$path").always().follows("$path", "file"), yes("encrypted", "$encrypted").always(),
			as("key_type", "$type").known("rsa", "ssh-rsa", "ed25519", "ssh-ed25519", "dsa", "ssh-dss", "ec", "ecdsa-sha2-nistp256"),
			as("key_group_name", "$type"), num("key_length", "$bits").or("-1", "0"), num("key_security_bits", strength).or("-1").returns("$bits"),
		}},
		{name: "shell_history", module: "shell_history", users: true, where: `$program IN ("bash", "zsh", "sh")`, columns: []column{
			uid, when("time", "$time"), as("command", "$command").always(), as("history_file", "$path").always().follows("$path", "file"),
		}},
		{name: "ssh_configs", module: "ssh_config", users: true, where: `$name NOT IN ("host", "match") AND ($path = "/etc/ssh/ssh_config" OR $path ENDS WITH "/.ssh/config")`, columns: []column{
			uid, as("block", "lower($block)").returns("$block"), as("option", "lower($text)").always().returns("$text"), as("ssh_config_file", "$path").always().follows("$path", "file"),
		}},
		{name: "sudoers", module: "line", in: []string{"/etc/sudoers", "/etc/sudoers.d/*"}, where: `$text NOT MATCHES '^\s*(#|$)'`, columns: []column{
			as("source", "$path").always().follows("$path", "file"),
			as("header", `extract($text, '^\s*(\S+)', 1)`).always().returns("$text"),
			as("rule_details", `extract($text, '^\s*\S+\s+(.*\S)', 1)`).returns("$text"),
		}},
		{name: "last", module: "login", in: []string{"/var/log/wtmp"}, where: `$kind IN ("login", "logout")`, columns: []column{
			as("username", "$user").follows("$user", "user"), as("tty", "$tty"), num("pid", "$process").or("0").follows("$process", "process"),
			num("type", "$kind").known("7", "login", "8", "logout"),
			as("type_name", "$kind").always().known("user-process", "login", "dead-process", "logout"),
			when("time", "$time"), as("host", "$host"),
		}},
		{name: "logged_in_users", module: "login", in: []string{"/run/utmp"}, columns: []column{
			as("type", "$kind").always().known("user", "login", "dead", "logout", "login", "prompt", "init", "init", "boot_time", "boot", "empty", "empty", "runlevel", "runlevel"),
			as("user", "$user").follows("$user", "user"), as("tty", "$tty"), as("host", "$host"), when("time", "$time"),
			num("pid", "$process").or("0").follows("$process", "process"), fixed("sid", `""`), fixed("registry_hive", `""`),
		}},
	}
}

// strength is how many bits of a search a key of RSA is worth, by NIST.
const strength = `if($type STARTS WITH "ssh-rsa", if($bits < 2048, 80, if($bits < 3072, 112, 128)), $bits / 2)`
