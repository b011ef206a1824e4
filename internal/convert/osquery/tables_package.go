package osquery

// packageTables are what is installed.
func packageTables() []table {
	path := as("path", "$path").follows("$path", "file")
	here := as("directory", "dirname($path)").returns("$path")
	return []table{
		{name: "deb_packages", module: "package", where: `$manager = "dpkg"`, columns: []column{
			as("name", "$name").always(), ver("version", "$version").always(), as("source", "$source"), num("size", "$size / 1KiB").or("0").returns("$size"),
			as("arch", "$architecture"), as("revision", `extract(concat($version), '-([^-]+)$', 1)`).returns("$version"),
			as("status", "$status").known("install ok installed", "installed", "deinstall ok config-files", "config-files"),
			as("maintainer", "$maintainer"), as("section", "$section"), as("priority", "$priority"), fixed("admindir", `"/var/lib/dpkg"`),
		}},
		{name: "deb_package_files", module: "package_file", where: `$manager = "dpkg"`, columns: []column{
			as("package", "$package.name").follows("$package", "package"), as("path", "$path").always().follows("$path", "file"), fixed("admindir", `"/var/lib/dpkg"`),
		}},
		{name: "rpm_packages", module: "package", where: `$manager = "rpm"`, columns: []column{
			as("name", "$name").always(), as("version", `extract(concat($version), '^(?:\d+:)?(.*)-[^-]+$', 1)`).returns("$version"),
			as("release", `extract(concat($version), '-([^-]+)$', 1)`).returns("$version"), as("source", "$source"), num("size", "$size").or("0"),
			as("sha1", "$header_sha1"), as("arch", "$architecture"),
			num("epoch", `number(extract(concat($version), '^(\d+):', 1))`).or("0").returns("$version"), when("install_time", "$installed"),
			as("vendor", "$maintainer"), as("package_group", "$section"),
		}},
		{name: "rpm_package_files", module: "package_file", where: `$manager = "rpm"`, columns: []column{
			as("package", "$package.name").follows("$package", "package"), as("path", "$path").always().follows("$path", "file"),
			none("username", "the owner that a file was packed with is compared by module verify"), none("groupname", "the group that a file was packed with is compared by module verify"),
			as("mode", "concat($mode)").returns("$mode"), none("size", "the size that a file was packed with is compared by module verify"), as("sha256", "$digest"),
		}},
		{name: "python_packages", module: "package", where: `$manager = "python"`, columns: []column{
			as("name", "$name").always(), ver("version", "$version").always(), as("summary", "$summary"), as("author", "$maintainer"), as("license", "$license"), path, here,
		}},
		{name: "npm_packages", module: "package", where: `$manager = "npm"`, columns: []column{
			as("name", "$name").always(), ver("version", "$version").always(), as("description", "$summary"), as("author", "$maintainer"), as("license", "$license"), as("homepage", "$homepage"), path, here,
		}},
		{name: "pacman_packages", module: "package", where: `$manager = "pacman"`, columns: []column{as("name", "$name").always(), ver("version", "$version").always()}},
		{name: "apt_sources", module: "repository", where: `$kind = "deb" AND $enabled`, columns: []column{
			as("name", `concat(extract($uri, '://(.*)', 1), " ", $suite)`).always().returns("$uri, $suite, $components"), as("source", "$path").always().follows("$path", "file"), as("base_uri", "$uri").always(),
			as("release", "$suite").always(), as("version", "$version"), as("maintainer", "$origin"),
			as("components", `join($components, " ")`).returns("$components"), as("architectures", `join($architectures, " ")`).returns("$architectures"),
		}},
		{name: "yum_sources", module: "repository", where: `$manager = "rpm"`, columns: []column{
			as("name", "$description"), as("baseurl", "$uri"), as("mirrorlist", "$mirrors"), yes("enabled", "$enabled").always(), yes("gpgcheck", "$signed"), as("gpgkey", `join($keys, " ")`).returns("$keys"),
		}},
		{name: "chrome_extensions", module: "browser_extension", users: true, where: `$browser NOT IN ("firefox", "thunderbird")`, columns: []column{
			as("browser_type", "$browser").always(), num("uid", "$user.uid").follows("$user", "user"), as("name", "$name"), as("profile", "$profile.name").returns("$profile"), as("profile_path", "$profile"),
			as("referenced_identifier", "$id").always(), as("identifier", "$id").always(), ver("version", "$version").always(), as("description", "$description"),
			as("default_locale", "$default_locale"), as("current_locale", "$current_locale"), as("update_url", "$update_url"), as("author", "$author"), yes("persistent", "$persistent"), as("path", "$path").follows("$path", "file"),
			as("permissions", `join($permissions, ", ")`).returns("$permissions"), none("permissions_json", noManifest).hide(), as("optional_permissions", `join($optional_permissions, ", ")`).returns("$optional_permissions"), none("optional_permissions_json", noManifest).hide(),
			as("manifest_hash", "$manifest_sha256"), yes("referenced", "$enabled IS NOT NULL").always().returns("$enabled"), yes("from_webstore", "$from_store"), yes("state", "$enabled"),
			instead("install_time", "$installed", "column installed is it, as a time"), when("install_timestamp", "$installed"), none("manifest_json", noManifest).hide(), as("key", "$key"),
		}},
		{name: "firefox_addons", module: "browser_extension", users: true, where: `$browser = "firefox"`, columns: []column{
			num("uid", "$user.uid").follows("$user", "user"), as("name", "$name"), as("identifier", "$id").always(), as("creator", "$author"), as("type", "$type"), ver("version", "$version").always(),
			as("description", "$description"), as("source_url", "$update_url"), fixed("visible", "1"), yes("active", "$enabled"), yes("disabled", "NOT $enabled").returns("$enabled"),
			yes("autoupdate", "$auto_update"), none("native", "whether an add-on brings programs of its own is not read").hide(), as("location", "$location"), as("path", "$path").follows("$path", "file"),
		}},
		{name: "opera_extensions", module: "browser_extension", users: true, where: `$browser = "opera"`, columns: []column{
			num("uid", "$user.uid").follows("$user", "user"), as("name", "$name"), as("identifier", "$id").always(), ver("version", "$version").always(), as("description", "$description"),
			as("locale", "$default_locale"), as("update_url", "$update_url"), as("author", "$author"), yes("persistent", "$persistent"), as("path", "$path").follows("$path", "file"),
		}},
		{name: "chrome_extension_content_scripts", module: "browser_extension", users: true, where: `$browser NOT IN ("firefox", "thunderbird")`, rows: "a row for each extension, which lists the pages that it may read", columns: []column{
			as("browser_type", "$browser").always(), num("uid", "$user.uid").follows("$user", "user"), as("identifier", "$id").always(), ver("version", "$version").always(),
			none("script", noManifest), as("match", `join($hosts, " ")`).returns("$hosts"), as("profile_path", "$profile"), as("path", "$path"), none("referenced", noManifest),
		}},
		{name: "portage_packages", module: "package", where: `$manager = "portage"`, columns: []column{
			as("package", "$name").always(), ver("version", "$version").always(), none("slot", "which versions may be there side by side is not read"), when("build_time", "$installed"),
			as("repository", "$repository"), none("eapi", "in which form its recipe was written is not read"), num("size", "$size").or("0"), yes("world", "$requested").or("0"),
		}},
		{name: "portage_use", module: "line", in: []string{"/var/db/pkg/*/*/USE"}, where: `$text != ""`, rows: "a row for each package, which lists its flags", columns: []column{
			as("package", `extract($path, '^/var/db/pkg/(.+?)-\d[^-/]*(?:-r\d+)?/USE$', 1)`).always(), as("version", `extract($path, '-(\d[^-/]*(?:-r\d+)?)/USE$', 1)`).always(), as("use", "$text").always(),
		}},
		{name: "portage_keywords", why: "which versions of packages of Gentoo are let in or kept out is not read: FIND line /etc/portage/package.* shows it"},
		{name: "vscode_extensions", why: "extensions of Visual Studio Code are not a module: FIND json /home/*/.vscode/extensions/extensions.json shows their list"},
		{name: "jetbrains_plugins", why: "plugins of JetBrains are not read"},
		{name: "snap_packages", why: "snaps are not read"},
		{name: "flatpak_packages", why: "flatpaks are not read"},
	}
}

const noManifest = "of the manifest the columns of browser_extension are read"
