package osquery

// absentTables are those of which nothing can be carried over, with the reason
// for each.
func absentTables() []table {
	const (
		event   = "it holds what happened while osquery listened, and an endpoint cannot tell that after the fact"
		self    = "it is about osquery itself"
		figure  = "it is a figure of the moment, not a state that is investigated"
		cloud   = "the metadata of clouds are not asked for: an endpoint makes no requests for a query"
		dmi     = "the tables of the firmware are not read: module host has vendor, model and serial"
		mac     = "it is a table of macOS that no module has"
		windows = "it is a table of Windows that no module has"
	)
	var out []table
	add := func(why string, names ...string) {
		for _, n := range names {
			out = append(out, table{name: n, why: why})
		}
	}
	add(event+": WATCH file tells of changes from now on", "file_events", "process_file_events", "ntfs_journal_events", "file_access_events", "bpf_file_events")
	add(event+": module log has what programs wrote of it", "process_events", "socket_events", "user_events", "selinux_events", "apparmor_events", "seccomp_events", "bpf_process_events", "bpf_socket_events", "hardware_events", "process_dns_events", "disk_events",
		"es_process_events", "es_process_file_events", "yara_events", "dns_lookup_events", "process_etw_events", "key_events", "user_interaction_events", "http_events", "connection_events")
	add("the unified log of macOS is not read", "unified_log")
	add(self, "osquery_info", "osquery_events", "osquery_extensions", "osquery_flags", "osquery_packs", "osquery_registry", "osquery_schedule", "carbon_black_info")
	add(figure, "docker_stats", "smart_drive_information", "battery", "fan_speed_sensors", "temperature_sensors", "power_sensors", "prometheus_metrics", "cups_jobs", "virtual_memory_info")
	add(cloud, "ec2_instance_metadata", "ec2_instance_tags", "azure_instance_metadata", "azure_instance_tags", "ycloud_instance_metadata", "gce_instance_metadata")
	add(dmi, "smbios_tables", "oem_strings", "memory_array_mapped_addresses", "memory_arrays", "memory_device_mapped_addresses", "memory_devices", "memory_error_info", "memory_map", "cpuid", "msr", "intel_me_info",
		"ipmi_fru", "ipmi_lan", "ipmi_mc", "ipmi_threshold_sensors", "gpu_info", "secureboot_certificates")
	add("the arrays of disks are read as disks: column made_of of disk names their members", "md_devices", "md_drives", "md_personalities")
	add("segments of shared memory are not listed: module mapping has those that processes have mapped", "shared_memory")
	add("the bounds of a process are not read, and osquery tells its own", "ulimit_info")
	add("augeas is a parser of its own: ini, json, yaml, line, sudo_rule, cron, authorized_key and others have settings as columns", "augeas")
	add("the settings of SELinux are not read", "selinux_settings")
	add("Python's, npm's and the system's packages are listed; Atom's were given up with it", "atom_packages")
	for _, t := range [][2]string{
		{"services", "FIND service"},
		{"drivers", `FIND service WHERE type IN ("kernel_driver", "file_system_driver")`},
		{"scheduled_tasks", "FIND scheduled_task"},
		{"registry", `FIND registry 'HKLM\SOFTWARE\**'`},
		{"prefetch", "FIND prefetch"},
		{"programs", `FIND package WHERE manager IN ("windows", "appx")`},
		{"authenticode", `FIND pe 'C:\Windows\*.exe' RETURN path, signed, signer`},
		{"windows_eventlog", "FIND eventlog 'Security'"},
		{"windows_events", "FIND eventlog 'Security'"},
		{"powershell_events", "FIND eventlog 'Microsoft-Windows-PowerShell/Operational'"},
		{"launchd", "FIND launchd"},
		{"launchd_overrides", "FIND launchd RETURN label, disabled, disabled_for"},
		{"kernel_extensions", `FIND kernel_extension WHERE kind = "kernel"`},
		{"system_extensions", `FIND kernel_extension WHERE kind = "system"`},
		{"plist", "FIND plist /Library/LaunchDaemons/*.plist"},
		{"preferences", "FIND plist /Library/Preferences/*.plist"},
		{"homebrew_packages", `FIND package WHERE manager IN ("brew", "cask")`},
		{"package_receipts", `FIND package WHERE manager = "pkgutil"`},
		{"apps", `FIND package WHERE manager = "app"`},
		{"signature", "FIND macho /usr/local/bin/* RETURN path, signed, identifier, team, signer"},
	} {
		add("it is not converted: ask `"+t[1]+"`", t[0])
	}
	add(mac, "account_policy_data", "ad_config", "alf", "alf_exceptions", "alf_explicit_auths", "alf_services", "app_schemes", "asl", "authorization_mechanisms", "authorizations", "browser_plugins", "crashes", "cups_destinations", "device_firmware",
		"event_taps", "gatekeeper", "gatekeeper_approved_apps", "ibridge_info", "iokit_devicetree", "iokit_registry", "kernel_panics", "keychain_acls", "keychain_items", "location_services",
		"managed_policies", "mdfind", "mdls", "nfs_shares", "nvram", "package_bom", "package_install_history", "password_policy", "quicklook_cache", "running_apps", "safari_extensions", "sandboxes",
		"screenlock", "shared_folders", "sharing_preferences", "sip_config", "smc_keys", "time_machine_backups", "time_machine_destinations", "wifi_networks", "wifi_status", "wifi_survey", "xprotect_entries", "xprotect_meta", "xprotect_reports")
	add(windows, "appcompat_shims", "autoexec", "background_activities_moderator", "bitlocker_info", "chassis_info", "chocolatey_packages", "default_environment", "disk_info", "dns_cache", "hvci_status", "ie_extensions", "kva_speculative_info",
		"logical_drives", "logon_sessions", "ntdomains", "ntfs_acl_permissions", "office_mru", "patches", "physical_disk_performance", "pipes", "process_open_handles", "recent_files", "security_profile_info",
		"shared_resources", "shellbags", "shimcache", "tpm_info", "user_assist", "userassist", "video_info", "winbaseobj", "windows_crashes", "windows_firewall_rules", "windows_optional_features", "windows_security_center", "windows_security_products", "windows_update_history", "wmi_bios_info", "wmi_cli_event_consumers", "wmi_event_filters", "wmi_filter_consumer_binding", "wmi_script_event_consumers", "deviceguard_status")
	return out
}
