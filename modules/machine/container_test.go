package machine

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const (
	dockerJSON = `{"ID":"aaa","Created":"2024-01-02T03:04:05.5Z","Path":"/bin/sh","Args":["-c","id"],"Image":"sha256:img1","Name":"/web","Managed":false,
"Config":{"Image":"alpine:3","Labels":{"b":"2","a":"1"}},"State":{"Running":true,"Pid":4711,"StartedAt":"2024-01-03T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
"MountPoints":{"/h":{"Source":"/","Destination":"/h","RW":false},"/data":{"Source":"","Name":"vol","RW":true}}}`
	hostJSON = `{"Privileged":true,"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"::1","HostPort":"81"}]}}`
	ociJSON  = `{"ociVersion":"1.0.2","process":{"args":["/pause"],"capabilities":{"bounding":["CAP_SYS_ADMIN","CAP_SYS_MODULE"]}},"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/host","type":"bind","source":"/etc","options":["rbind","ro"]}],
"annotations":{"io.kubernetes.cri.container-name":"agent","io.kubernetes.cri.image-name":"reg/agent:1"},"linux":{"namespaces":[{"type":"pid"},{"type":"mount"}]}}`
	storageJSON = `[{"id":"ccc","names":["db"],"image":"img2","created":"2024-02-01T00:00:00Z","metadata":"{\"image-name\":\"docker.io/pg:16\"}"},
{"id":"ddd","names":["pod"],"image":"img2","metadata":"{\"image-name\":\"k8s/x\",\"pod-id\":\"p\"}"},{"id":"../x"},{"id":"eee","metadata":"what"}]`
	lxcConfig = "# a comment\nlxc.rootfs.path = dir:/var/lib/lxc/box/rootfs\nlxc.net.0.type = none\nlxc.mount.entry = /srv\\040x srv none bind,ro 0 0\nlxc.init.cmd = /sbin/init -x\nwhat\nlxc.mount.entry = short\n"
	imageJSON = `{"architecture":"amd64","os":"linux","author":"ann","created":"2023-05-06T07:08:09Z","config":{"User":"nobody","Entrypoint":["/e"],"Cmd":["c"],"Labels":{"k":"v"}},"rootfs":{"type":"layers"}}`
)

func containerTree(t testing.TB) string {
	return tree(t, map[string]string{
		"etc/passwd":             "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/docker/daemon.json": `{"data-root":"/srv/docker/"}`,
		"proc/1/stat":            "",
		"proc/50/stat":           "",
		"var/lib/docker/containers/aaa/config.v2.json":                                                                dockerJSON,
		"var/lib/docker/containers/aaa/hostconfig.json":                                                               hostJSON,
		"srv/docker/containers/bbb/config.v2.json":                                                                    `{"ID":"bbb","State":{}}`,
		"srv/docker/containers/bad/config.v2.json":                                                                    `{"ID":`,
		"srv/docker/1000.1000/containers/b/config.v2.json":                                                            `{"ID":"remapped","State":{"Running":true,"Paused":true,"Pid":7,"StartedAt":"2024-01-03T00:00:00Z"}}`,
		"var/lib/containers/storage/overlay-containers/containers.json":                                               storageJSON,
		"var/lib/containers/storage/overlay-containers/ccc/userdata/config.json":                                      strings.ReplaceAll(ociJSON, `{"type":"pid"}`, `{"type":"network","path":"/run/netns/x"}`),
		"run/containers/storage/overlay-containers/ccc/userdata/pidfile":                                              "50",
		"run/containers/storage/overlay-containers/ddd/userdata/pidfile":                                              "many",
		"home/ann/.local/share/containers/storage/overlay-containers/containers.json":                                 `[{"id":"fff","names":["mine"]}]`,
		"run/user/1000/containers/overlay-containers/fff/userdata/pidfile":                                            "51\n",
		"run/containerd/io.containerd.runtime.v2.task/k8s.io/ggg/config.json":                                         ociJSON,
		"run/containerd/io.containerd.runtime.v2.task/k8s.io/ggg/init.pid":                                            "50",
		"run/containerd/io.containerd.runtime.v2.task/moby/aaa/config.json":                                           ociJSON,
		"run/containerd/io.containerd.runtime.v2.task/moby/bad/config.json":                                           "[",
		"var/lib/lxc/box/config":                                                                                      lxcConfig,
		"var/lib/docker/image/overlay2/repositories.json":                                                             `{"Repositories":{"alpine":{"alpine:3":"sha256:img1","alpine@sha256:0f":"sha256:img1"},"b":{"b:1":"sha256:img1"}}}`,
		"var/lib/docker/image/overlay2/imagedb/content/sha256/img1":                                                   imageJSON,
		"var/lib/docker/image/overlay2/imagedb/content/sha256/img0":                                                   `{"schemaVersion":2}`,
		"var/lib/containers/storage/overlay-images/images.json":                                                       `[{"id":"img2","digest":"sha256:d","names":["docker.io/pg:16","docker.io/pg@sha256:d"],"created":"2024-02-01T00:00:00Z"},{"id":""}]`,
		"var/lib/containers/storage/overlay-images/img2/=" + base64.StdEncoding.EncodeToString([]byte("sha256:img2")): imageJSON,
		"var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db":                                                   "x",
	})
}

func TestContainer(t *testing.T) {
	root := containerTree(t)
	got, rec := moduletest.Rows(t, containers(), root, []string{"id", "name", "runtime", "user", "image", "image_id", "command", "state", "process", "privileged", "host_network"}, nil)
	same(t, got, []string{
		"bbb | null | docker | null | null | null | null | created | null | null | null",
		"aaa | web | docker | null | alpine:3 | img1 | [/bin/sh, -c, id] | running | 4711 | true | true",
		"remapped | null | docker | null | null | null | null | paused | 7 | null | null",
		"ccc | db | podman | null | docker.io/pg:16 | img2 | [/pause] | running | 50 | true | false",
		"ddd | pod | cri-o | null | k8s/x | img2 | null | null | null | null | null",
		"eee | null | podman | null | null | null | null | stopped | null | null | null",
		"fff | mine | podman | ann | null | null | null | stopped | null | null | null",
		"ggg | agent | containerd | null | reg/agent:1 | null | [/pause] | running | 50 | true | true",
		"box | box | lxc | null | dir:/var/lib/lxc/box/rootfs | null | [/sbin/init, -x] | null | null | true | true",
	})
	same(t, skipped(rec), []string{
		"io_error /srv/docker/containers/bad/config.v2.json",
		"io_error /var/lib/containers/storage/overlay-containers/containers.json:3",
		"io_error /var/lib/containers/storage/overlay-containers/containers.json:4",
		"io_error /run/containers/storage/overlay-containers/ddd/userdata/pidfile",
		"io_error /run/containerd/io.containerd.runtime.v2.task/moby/bad/config.json",
		"io_error /var/lib/lxc/box/config:6", "io_error /var/lib/lxc/box/config:7",
	})
	got, _ = moduletest.Rows(t, containers(), root, []string{"created", "started", "finished", "mounts", "ports", "labels", "path"}, []string{"web"})
	same(t, got, []string{"2024-01-02T03:04:05.5Z | 2024-01-03T00:00:00Z | null | [vol:/data, /:/h:ro] | [8080->80/tcp, [::1]:81->80/tcp] | [a=1, b=2] | /var/lib/docker/containers/aaa/config.v2.json"})
	got, _ = moduletest.Rows(t, containers(), root, []string{"name", "mounts", "ports"}, []string{"agent", "box"})
	same(t, got, []string{"agent | [/etc:/host:ro] | null", "box | [/srv x:srv:ro] | null"})
	moduletest.Run(t, containers(), root)
}

func TestContainerImageOfNone(t *testing.T) {
	got, rec := moduletest.Rows(t, containers(), tree(t, map[string]string{"var/lib/containers/storage/vfs-containers/containers.json": `[{"id":"a"}]`}), []string{"id", "state"}, nil)
	same(t, got, []string{"a | null"})
	same(t, skipped(rec), nil)
}

func TestImage(t *testing.T) {
	root := containerTree(t)
	got, rec := moduletest.Rows(t, images(), root, []string{"id", "names", "digests", "runtime", "created", "architecture", "os", "author", "run_as", "command", "labels"}, nil)
	same(t, got, []string{
		"img1 | [alpine:3, b:1] | [sha256:0f] | docker | 2023-05-06T07:08:09Z | amd64 | linux | ann | nobody | [/e, c] | [k=v]",
		"img2 | [docker.io/pg:16] | [sha256:d] | containers | 2023-05-06T07:08:09Z | amd64 | linux | ann | nobody | [/e, c] | [k=v]",
	})
	same(t, skipped(rec), []string{
		"io_error /var/lib/docker/image/overlay2/imagedb/content/sha256/img0",
		"io_error /var/lib/containers/storage/overlay-images/images.json:2",
		"unsupported /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
	})
	moduletest.Run(t, images(), root)
}

// TestContainerLive compares the identifiers with those that Docker lists.
func TestContainerLive(t *testing.T) {
	want := strings.Fields(tool(t, "docker", "ps", "--all", "--no-trunc", "--quiet"))
	rows, _ := moduletest.Rows(t, containers(), "", []string{"runtime", "id"}, nil)
	for _, id := range want {
		if !strings.Contains(strings.Join(rows, "\n"), "docker | "+id) {
			t.Errorf("%s is missing", id)
		}
	}
}

func FuzzContainers(f *testing.F) {
	for _, seed := range []string{dockerJSON, hostJSON, ociJSON, storageJSON, lxcConfig, imageJSON, `{"Repositories":{"a":{"a:1":"b"}}}`, `{"graph":"/x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		bad := func(string) {}
		if c, err := parseDocker(text); err == nil && c.id == "" {
			t.Error("a container without an identifier")
		}
		(&container{}).addDockerHost(text)
		(&container{}).addSpec(text)
		(&image{}).addConfig(text)
		parseStorage("x", text, bad)
		parseStoredImages("x", text, bad)
		parseLXC("x", text, bad)
		parseRepositories(text)
		parseDockerDaemon(text)
	})
}
