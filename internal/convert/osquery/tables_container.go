package osquery

// containerTables are containers and their images.
func containerTables() []table {
	const inside = "the insides of containers are not asked: their processes and files are those of the host"
	list := []table{
		{name: "docker_containers", module: "container", where: `$runtime = "docker"`, keys: []string{"id"}, columns: []column{
			as("id", "$id").always(), as("name", "$name"), as("image", "$image"), as("image_id", "$image_id").follows("$image_id", "image"), as("command", `join($command, " ")`).returns("$command"), when("created", "$created"),
			as("state", "$state").always(), instead("status", "$state, $started, $finished", "column state, started and finished say it"), num("pid", "$process").or("0").follows("$process", "process"), as("path", "$path").returns("$command"),
			instead("config_entrypoint", "$command", "column command has what runs, entry point first"), instead("started_at", "$started", "column started is it, as a time"), instead("finished_at", "$finished", "column finished is it, as a time"),
			yes("privileged", "$privileged"), none("security_options", "column privileged says what matters most of them"), none("env_variables", "the environment that a container was made with is not read: column env of its process has it"),
			none("readonly_rootfs", "column privileged says what matters most"), none("cgroup_namespace", "column namespaces of its process has them"), none("ipc_namespace", "column namespaces of its process has them"), none("mnt_namespace", "column namespaces of its process has them"),
			none("net_namespace", "column namespaces of its process has them"), none("pid_namespace", "column namespaces of its process has them"), none("user_namespace", "column namespaces of its process has them"), none("uts_namespace", "column namespaces of its process has them"),
		}},
		{name: "docker_container_mounts", module: "container", where: `$runtime = "docker"`, rows: "a row for each container, which lists its mounts", columns: []column{
			as("id", "$id").always(), none("type", "column mounts says source, destination and rights"), none("name", "column mounts says source, destination and rights"),
			as("source", `join($mounts, " ")`).returns("$mounts"), as("destination", `join($mounts, " ")`).returns("$mounts"), none("driver", "column mounts says source, destination and rights"),
			as("mode", `join($mounts, " ")`).returns("$mounts"), none("rw", "column mounts says it"), none("propagation", "column mounts says source, destination and rights"),
		}},
		{name: "docker_container_ports", module: "container", where: `$runtime = "docker"`, rows: "a row for each container, which lists its ports", columns: []column{
			as("id", "$id").always(), as("type", `join($ports, " ")`).returns("$ports"), as("port", `join($ports, " ")`).returns("$ports"), as("host_ip", `join($ports, " ")`).returns("$ports"), as("host_port", `join($ports, " ")`).returns("$ports"),
		}},
		{name: "docker_container_labels", module: "container", where: `$runtime = "docker"`, rows: "a row for each container, which lists its labels", columns: []column{
			as("id", "$id").always(), as("key", `join($labels, " ")`).returns("$labels"), as("value", `join($labels, " ")`).returns("$labels"),
		}},
		{name: "docker_images", module: "image", where: `$runtime = "docker"`, keys: []string{"id"}, columns: []column{
			as("id", "$id").always(), when("created", "$created"), none("size_bytes", "the sizes of images are not read"), as("tags", `join($names, ",")`).returns("$names"),
		}},
		{name: "docker_image_labels", module: "image", where: `$runtime = "docker"`, rows: "a row for each image, which lists its labels", columns: []column{
			as("id", "$id").always(), as("key", `join($labels, " ")`).returns("$labels"), as("value", `join($labels, " ")`).returns("$labels"),
		}},
	}
	for _, name := range [...]string{"docker_container_envs", "docker_container_fs_changes", "docker_container_networks", "docker_container_processes", "docker_container_stats", "docker_container_deb_packages"} {
		list = append(list, table{name: name, why: inside})
	}
	for _, name := range [...]string{"docker_info", "docker_version", "docker_networks", "docker_network_labels", "docker_volumes", "docker_volume_labels", "docker_image_history", "docker_image_layers"} {
		list = append(list, table{name: name, why: "Docker's daemon is not asked: what it writes down of containers and images is read"})
	}
	for _, name := range [...]string{"lxd_certificates", "lxd_cluster", "lxd_cluster_members", "lxd_images", "lxd_instance_config", "lxd_instance_devices", "lxd_instances", "lxd_networks", "lxd_storage_pools", "containerd_containers"} {
		list = append(list, table{name: name, why: "LXD's daemon is not asked: module container has the containers of Docker, Podman, CRI-O, containerd and LXC"})
	}
	return list
}
