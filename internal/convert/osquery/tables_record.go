package osquery

// recordTables are what files hold, in the tables that osquery and Fleet's
// agent have for that.
func recordTables() []table {
	path := as("path", "$path").always().follows("$path", "file")
	pointer := func(expr string) []column {
		return []column{path, as("key", "$key"), as("value", "$value"), as("fullkey", `replace(substr($pointer, 2), "/", ".")`).returns("$pointer"), as("parent", `replace(substr(dirname($pointer), 2), "/", ".")`).returns("$pointer"), none("bytes", "files are named by their path")}
	}
	return []table{
		{name: "parse_json", module: "json", columns: pointer("$pointer")},
		{name: "parse_jsonl", module: "json", columns: pointer("$pointer")},
		{name: "parse_ini", module: "ini", columns: []column{path, as("key", "$key"), as("value", "$value"), as("fullkey", `concat($section, "/", $key)`).returns("$section, $key"), as("parent", "$section"), none("bytes", "files are named by their path")}},
		{name: "parse_xml", module: "xml", columns: []column{path, as("key", "coalesce($attribute, basename($element))").returns("$element, $attribute"), as("value", "$value"), as("fullkey", `substr($element, 2)`).returns("$element"), as("parent", `substr(dirname($element), 2)`).returns("$element"), none("bytes", "files are named by their path")}},
		{name: "file_lines", module: "line", columns: []column{path, as("line", "$text")}},
		{name: "syslog_events", module: "log", columns: []column{
			when("time", "$time"), as("datetime", `format_time($time, "%Y-%m-%dT%H:%M:%SZ")`).returns("$time"), as("host", "$host"),
			num("severity", "$severity").known("0", "emergency", "1", "alert", "2", "critical", "3", "error", "4", "warning", "5", "notice", "6", "info", "7", "debug"),
			none("facility", "the facility of a message is not kept in files"), as("tag", "$program"), as("message", "$message"), fixed("eid", `""`),
		}},
	}
}
