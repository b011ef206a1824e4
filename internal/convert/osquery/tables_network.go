package osquery

// networkTables are sockets, addresses and names.
func networkTables() []table {
	family := num("family", "$family").known("2", "ipv4", "10", "ipv6", "1", "unix", "17", "packet")
	protocol := num("protocol", "$protocol").known("6", "tcp", "17", "udp", "1", "icmp", "136", "udplite", "0", "unix", "255", "raw")
	pid := num("pid", "$process").or("-1").follows("$process", "process")
	return []table{
		{name: "process_open_sockets", module: "socket", where: `$family != "packet"`, columns: []column{
			pid, num("fd", "$fd").or("-1"), num("socket", "$inode").or("0"), family, protocol,
			addr("local_address", "$address").or(""), addr("remote_address", "$remote_address").or("", "0.0.0.0", "::"),
			num("local_port", "$port").or("0"), num("remote_port", "$remote_port").or("0"), as("path", "$path"),
			as("state", "$state").known("LISTEN", "listen", "ESTABLISHED", "established", "SYN_SENT", "syn_sent", "SYN_RECV", "syn_recv", "FIN_WAIT1", "fin_wait1",
				"FIN_WAIT2", "fin_wait2", "TIME_WAIT", "time_wait", "CLOSE_WAIT", "close_wait", "LAST_ACK", "last_ack", "CLOSING", "closing", "CLOSED", "unconnected"),
			as("net_namespace", `extract($namespace, '\d+')`).returns("$namespace"),
		}},
		{name: "listening_ports", module: "socket", where: `$remote_port IS NULL AND ($family IN ("ipv4", "ipv6") OR $path IS NOT NULL)`, columns: []column{
			pid, num("port", "$port").or("0"), protocol, family, addr("address", "$address"), num("fd", "$fd").or("-1"), num("socket", "$inode").or("0"),
			as("path", "$path"), as("net_namespace", `extract($namespace, '\d+')`).returns("$namespace"),
		}},
		{name: "interface_details", module: "interface", keys: []string{"interface"}, columns: []column{
			as("interface", "$name").always(), as("mac", "$mac").or("00:00:00:00:00:00"), num("type", "$type").or("0"), num("mtu", "$mtu").or("0"),
			none("metric", "metrics are those of routes: module route has them"),
			num("flags", `if($up, 1, 0)`).returns("$up, $flags"),
			none("ipackets", counters), none("opackets", counters), none("ibytes", counters), none("obytes", counters), none("ierrors", counters), none("oerrors", counters),
			none("idrops", counters), none("odrops", counters), none("collisions", counters), none("last_change", "Linux does not keep it"),
			none("link_speed", "the speed of links is not read"), none("pci_slot", "module pci lists what is plugged in"),
		}},
		{name: "interface_addresses", module: "interface_address", columns: []column{
			as("interface", "$interface").always().follows("$interface", "interface"), addr("address", "$address").always(),
			as("mask", `extract(concat($network), '/(\d+)', 1)`).returns("$network"), none("broadcast", "it follows from the network"),
			none("point_to_point", "the other end of a tunnel is not read"), none("type", "whether an address was given by hand is not read"), fixed("friendly_name", `""`),
		}},
		{name: "routes", module: "route", columns: []column{
			addr("destination", `extract(concat($destination), '^[^/]+')`).always().returns("$destination"), num("netmask", `number(extract(concat($destination), '\d+$'))`).returns("$destination"),
			addr("gateway", "$gateway"), none("source", "which of the host's addresses is used is not read"), none("flags", "what they say is column reject"),
			as("interface", "$interface").follows("$interface", "interface"), none("mtu", "the sizes of routes are not read"), num("metric", "$metric").or("0"),
			as("type", `if($reject, "other", if($gateway IS NULL, "local", "gateway"))`).always().returns("$reject"), none("hopcount", "Linux does not keep it"),
		}},
		{name: "arp_cache", module: "neighbour", columns: []column{
			addr("address", "$address").always(), as("mac", "$mac"), as("interface", "$interface").follows("$interface", "interface"),
			column{name: "permanent", kind: text, shown: "$state"}.meaning("1", `$state = "permanent"`, "0", `$state != "permanent"`),
		}},
		{name: "etc_hosts", module: "dns", where: `$kind = "host"`, rows: "a row for each name of a line", columns: []column{
			addr("address", "$address").always(), as("hostnames", "$name").always(),
		}},
		{name: "dns_resolvers", module: "dns", where: `$kind IN ("nameserver", "search", "option")`, columns: []column{
			instead("id", "$line", "column line says which comes first"),
			as("type", "$kind").always().known("nameserver", "nameserver", "search", "search", "options", "option"),
			as("address", `coalesce(concat($address), $name)`).always().returns("$address, $name"), fixed("netmask", "32"), instead("options", "$name", "options are rows of their own"),
		}},
		// Rules of iptables-legacy are those that the kernel gives in its form.
		{name: "iptables", module: "firewall", where: `$origin = "kernel" AND $family = "ip" AND $rule STARTS WITH "-A "`, rows: "a row for each rule; osquery has one more for each chain, with its policy, which is at position 0 here", columns: []column{
			as("filter_name", "$table").always(), as("chain", "$chain").always(), as("policy", "upper($policy)").returns("$policy"), as("target", `upper(extract($verdict, '\S+$'))`).returns("$verdict"),
			num("protocol", "$protocol").or("0").known("6", "tcp", "17", "udp", "1", "icmp"), as("src_port", "$sport"), as("dst_port", "$dport"),
			as("src_ip", `extract($source, '[^/]+')`).or("0.0.0.0").returns("$source"), instead("src_mask", "$source", "with the address"), as("iniface", "$input").or("all"), instead("iniface_mask", "$input", "with the interface"),
			as("dst_ip", `extract($destination, '[^/]+')`).or("0.0.0.0").returns("$destination"), instead("dst_mask", "$destination", "with the address"), as("outiface", "$output").or("all"), instead("outiface_mask", "$output", "with the interface"),
			instead("match", "$rule", "osquery says yes, and column rule how"), instead("packets", "$packets", "osquery has what the policy of the chain met, and this what the rule met"), instead("bytes", "$bytes", "as packets"),
		}},
		{name: "ipsets", why: "the sets of packet filters are in the kernel alone, and are not read"},
		{name: "interface_ipv6", why: "module sysctl has net.ipv6.conf.*"},
		{name: "interface_bonds", why: "what bonds are made of is not read"},
		{name: "connectivity", why: "it is a table of Windows"},
		{name: "curl", why: "an endpoint makes no requests for a query"},
		{name: "curl_certificate", why: "an endpoint makes no connections for a query: module certificate reads those that lie in files"},
		{name: "nslookup", why: "an endpoint asks no name server for a query"},
		{name: "etc_services", module: "line", in: []string{"/etc/services"}, where: `$text MATCHES '^[^#\s]+\s+\d+/'`, columns: []column{
			as("name", `extract($text, '^\S+')`).always(), num("port", `number(extract($text, '\s(\d+)/', 1))`),
			as("protocol", `extract($text, '/(\w+)', 1)`).always(), as("aliases", `extract($text, '/\w+\s+([^#]*[^#\s])', 1)`), as("comment", `extract($text, '#\s*(.*)$', 1)`),
		}},
		{name: "etc_protocols", module: "line", in: []string{"/etc/protocols"}, where: `$text MATCHES '^[^#\s]+\s+\d+'`, columns: []column{
			as("name", `extract($text, '^\S+')`).always(), num("number", `number(extract($text, '\s(\d+)', 1))`),
			as("alias", `extract($text, '^\S+\s+\d+\s+([^#\s]+)', 1)`), as("comment", `extract($text, '#\s*(.*)$', 1)`),
		}},
	}
}

const counters = "what an interface counted is not read"
