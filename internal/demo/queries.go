package demo

// A Sample is a query of the demo, with what it shows.
type Sample struct {
	About string
	Query string
}

// Samples are asked one after the other. The last one is answered by every
// agent.
func Samples() []Sample {
	return []Sample{
		{"Who is there? Every row says which host it comes from.",
			`FROM fleet FIND host RETURN distro, version, distro_name ORDER BY distro, version`},
		{"An indicator, wherever it is in /etc. The file is read on the machine, and only what matches leaves it.",
			`FROM fleet FIND file /etc/** CONTAINS "` + indicator + `" RETURN path, size, mtime`},
		{"What is rare? STACK counts over the whole fleet and puts the odd one out first.",
			`FROM fleet FIND file /etc/ssh/sshd_config STACK BY sha256`},
		{"A target: only the machines that an administrator tagged as web servers are asked.",
			`FROM fleet WHERE tags.role = "web" FIND file /etc/nginx/* RETURN path, size`},
		{"Content needs more than a question: the policy allows none, so every agent refuses.",
			`FROM fleet FIND file /etc/passwd RETURN path, content`},
		{"Where is something missing? FIND NOT names the machines on which no line forbids root to log in.",
			`FROM fleet FIND NOT file /etc/ssh/sshd_config ANY LINE MATCHES "^PermitRootLogin no"`},
	}
}
