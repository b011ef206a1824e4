package machine

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// An image is what containers are made of.
type image struct {
	id, runtime, user, path            string
	names, digests                     []string
	created                            time.Time
	architecture, system, author, runs string
	command, labels                    []string
}

func images() modules.Module {
	return table.New(modules.Schema{
		Name: "image", Key: "id",
		Doc:     "The container images that Docker, Podman and CRI-O keep.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "id", Doc: "a glob of identifiers", Example: "0a1b*"},
	}, []table.Column[image]{
		table.Text("id", "Its identifier, the SHA-256 of its configuration in hexadecimal digits.", func(m *image) string { return m.id }).Shown(),
		table.Texts("names", "Its names with their tags, as in alpine:latest.", func(m *image) []string { return m.names }).Shown(),
		table.Texts("digests", "The digests by which registries know it.", func(m *image) []string { return m.digests }),
		table.Text("runtime", "Who keeps it; containers is the common storage of Podman and CRI-O.", func(m *image) string { return m.runtime }).Shown().OneOf("docker", "containers"),
		table.Text("user", "The user in whose home it is kept; null for one of the system.", func(m *image) string { return m.user }).To("user"),
		table.Time("created", "When it was made, as it says itself.", func(m *image) time.Time { return m.created }).Shown(),
		table.Text("architecture", "The kind of processor that it is for.", func(m *image) string { return m.architecture }).Shown(),
		table.Text("os", "The system that it is for.", func(m *image) string { return m.system }),
		table.Text("author", "Who made it, as it says itself.", func(m *image) string { return m.author }),
		table.Text("run_as", "The user in it as whom it runs; null for root.", func(m *image) string { return m.runs }),
		known("command", "What it runs if nothing else is asked for, entry point first.", func(m *image) []string { return m.command }),
		known("labels", "Its labels, as in name=value.", func(m *image) []string { return m.labels }),
		table.Text("path", "The file in which this stands.", func(m *image) string { return m.path }).To("file"),
	}, listImages)
}

func listImages(s *table.Scan, yield func(*image) error) error {
	if !linux(s) {
		return nil
	}
	k := &keepers{s, homes(s)}
	seen := map[string]bool{}
	once := func(m *image) error {
		if key := m.user + "\x00" + m.runtime + "\x00" + m.id; seen[key] {
			return nil
		} else {
			seen[key] = true
		}
		return yield(m)
	}
	if err := k.dockerImages(once); err != nil {
		return err
	}
	if err := k.storedImages(once); err != nil {
		return err
	}
	const database = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
	if s.FS.Exists(database) {
		s.Skip(modules.SkipUnsupported, database, "images that containerd keeps are in a database that is not read")
	}
	return nil
}

// dockerImages reads the configurations of images, and the names that the
// list of repositories gives them.
func (k *keepers) dockerImages(yield func(*image) error) error {
	for _, root := range k.dockerRoots() {
		for dir := range k.FS.Glob(escape(root) + "/image/*") {
			names := map[string][]string{}
			list := path.Join(dir, "repositories.json")
			if text, ok := k.FS.Get(list); ok {
				var err error
				if names, err = parseRepositories(text); err != nil {
					k.Fail(list, err)
				}
			}
			for name := range k.FS.Glob(escape(dir) + "/imagedb/content/sha256/*") {
				text, ok := k.FS.Get(name)
				if !ok {
					continue
				}
				m := &image{id: path.Base(name), runtime: "docker", path: name}
				if err := m.addConfig(text); err != nil {
					k.Fail(name, err)
					continue
				}
				m.addNames(names[m.id])
				if err := yield(m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// storedImages reads the lists of containers-storage, and the configuration
// that stands beside.
func (k *keepers) storedImages(yield func(*image) error) error {
	for _, place := range k.storages() {
		for name := range k.FS.Glob(escape(place.root) + "/*-images/images.json") {
			text, ok := k.FS.Get(name)
			if !ok {
				continue
			}
			for _, m := range parseStoredImages(name, text, malformed(k.Scan)) {
				m.user = place.user
				config := path.Join(path.Dir(name), m.id, "="+base64.StdEncoding.EncodeToString([]byte("sha256:"+m.id)))
				if configText, ok := k.FS.Get(config); ok {
					if err := m.addConfig(configText); err != nil {
						k.Fail(config, err)
					}
				}
				if err := yield(&m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parseRepositories gives the names of images by their identifiers.
func parseRepositories(text []byte) (map[string][]string, error) {
	var list struct {
		Repositories map[string]map[string]string
	}
	if err := decode(text, &list); err != nil {
		return nil, err
	}
	names := map[string][]string{}
	for _, repository := range slices.Sorted(maps.Keys(list.Repositories)) {
		tags := list.Repositories[repository]
		for _, name := range slices.Sorted(maps.Keys(tags)) {
			id := strings.TrimPrefix(tags[name], "sha256:")
			names[id] = append(names[id], name)
		}
	}
	return names, nil
}

// addNames sorts names into those with a tag and those with a digest.
func (m *image) addNames(names []string) {
	for _, n := range names {
		if _, digest, ok := strings.Cut(n, "@"); ok {
			if !slices.Contains(m.digests, digest) {
				m.digests = append(m.digests, digest)
			}
		} else {
			m.names = append(m.names, n)
		}
	}
}

// parseStoredImages reads images.json of containers-storage.
func parseStoredImages(name string, text []byte, bad complaint) []image {
	var list []struct {
		ID, Digest string
		Names      []string
		Created    time.Time
	}
	if decode(text, &list) != nil {
		bad(name)
		return nil
	}
	out := make([]image, 0, len(list))
	for i, l := range list {
		if l.ID == "" || path.Base(l.ID) != l.ID || l.ID == ".." {
			bad(at(name, i+1))
			continue
		}
		m := image{id: l.ID, runtime: "containers", path: name, created: inRange(l.Created)}
		m.addNames(l.Names)
		if l.Digest != "" && !slices.Contains(m.digests, l.Digest) {
			m.digests = append(m.digests, l.Digest)
		}
		out = append(out, m)
	}
	return out
}

// addConfig adds what the configuration of an image says, as the OCI image
// specification has it. A manifest, which is another thing, is malformed.
func (m *image) addConfig(text []byte) error {
	var c struct {
		Created              time.Time
		Author, Architecture string
		OS                   string
		RootFS               json.RawMessage
		Config               struct {
			User            string
			Entrypoint, Cmd []string
			Labels          map[string]string
		}
	}
	if err := decode(text, &c); err != nil {
		return err
	}
	if c.RootFS == nil {
		return hostfs.ErrMalformed
	}
	if t := inRange(c.Created); !t.IsZero() {
		m.created = t
	}
	m.author, m.architecture, m.system, m.runs = c.Author, c.Architecture, c.OS, c.Config.User
	m.command, m.labels = slices.Concat([]string{}, c.Config.Entrypoint, c.Config.Cmd), pairs(c.Config.Labels)
	return nil
}
