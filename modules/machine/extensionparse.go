package machine

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A manifest is what is taken of an extension's manifest.json.
type manifest struct {
	Name, Version, Description string
	Author                     json.RawMessage
	Locale                     string          `json:"default_locale"`
	Current                    string          `json:"current_locale"`
	Key                        string          `json:"key"`
	Updates                    string          `json:"update_url"`
	Permissions                []permission    `json:"permissions"`
	Optional                   []permission    `json:"optional_permissions"`
	Hosts                      []permission    `json:"host_permissions"`
	Background                 json.RawMessage `json:"background"`
	Theme                      json.RawMessage `json:"theme"`
	App                        json.RawMessage `json:"app"`
	Scripts                    []struct {
		Matches []string `json:"matches"`
	} `json:"content_scripts"`
}

// A permission is a word, or an object whose names are words.
type permission []string

// UnmarshalJSON implements json.Unmarshaler.
func (p *permission) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		*p = permission{word}
		return nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	*p = sortedKeys(object)
	return nil
}

// parseManifest reads manifest.json. Chromium's may begin with a mark of the
// order of bytes.
func parseManifest(text []byte) (*manifest, error) {
	m := &manifest{}
	if err := decode(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), m); err != nil {
		return nil, err
	}
	if m.Name == "" && m.Version == "" {
		return nil, hostfs.ErrMalformed
	}
	return m, nil
}

// fill puts what a manifest says into a row.
func (m *manifest) fill(x *extension) {
	x.name, x.version, x.description, x.updates = m.Name, m.Version, m.Description, m.Updates
	x.author = m.author()
	x.kind = "extension"
	switch {
	case len(m.Theme) > 0:
		x.kind = "theme"
	case len(m.App) > 0:
		x.kind = "app"
	}
	x.locale, x.current, x.key = m.Locale, m.Current, m.Key
	var background struct{ Persistent *bool }
	_ = json.Unmarshal(m.Background, &background) // of another form it says nothing of this
	x.persistent = background.Persistent
	x.permissions, x.optional, x.hosts = []string{}, []string{}, []string{}
	for _, p := range m.Optional {
		x.optional = append(x.optional, p...)
	}
	for _, p := range m.Permissions {
		x.permissions = append(x.permissions, p...)
	}
	for _, p := range m.Hosts {
		x.hosts = append(x.hosts, p...)
	}
	for _, s := range m.Scripts {
		x.hosts = append(x.hosts, s.Matches...)
	}
	slices.Sort(x.hosts)
	x.hosts = slices.Compact(x.hosts)
}

// author gives the name, or the address that newer manifests have.
func (m *manifest) author() string {
	var name string
	var object struct{ Email string }
	if json.Unmarshal(m.Author, &name) != nil && json.Unmarshal(m.Author, &object) == nil {
		name = object.Email
	}
	return name
}

// A chromiumSetting is what the preferences of a profile say of an extension.
type chromiumSetting struct {
	known     bool
	source    string
	path      string
	location  int
	fromStore *bool
	enabled   bool
	installed string
	manifest  *manifest
}

// parsePreferences adds what a file of preferences says to what another said.
func parsePreferences(source string, text []byte, into map[string]chromiumSetting) error {
	var file struct {
		Extensions struct {
			Settings map[string]json.RawMessage
		}
	}
	if err := decode(text, &file); err != nil {
		return err
	}
	var failed error
	for _, id := range sortedKeys(file.Extensions.Settings) {
		var s struct {
			State     *int
			Reasons   json.RawMessage `json:"disable_reasons"`
			Path      string
			Location  int
			FromStore *bool  `json:"from_webstore"`
			Installed string `json:"first_install_time"`
			Older     string `json:"install_time"`
			Manifest  json.RawMessage
		}
		if err := decode(file.Extensions.Settings[id], &s); err != nil {
			failed = err
			continue
		}
		set := chromiumSetting{known: true, source: source, path: strings.ReplaceAll(s.Path, `\`, "/"), location: s.Location, fromStore: s.FromStore, installed: s.Installed}
		if set.installed == "" {
			set.installed = s.Older
		}
		set.enabled = noReasons(s.Reasons)
		if s.State != nil {
			set.enabled = *s.State == 1
		}
		if len(s.Manifest) > 0 {
			if set.manifest, _ = parseManifest(s.Manifest); set.manifest == nil {
				failed = hostfs.ErrMalformed
			}
		}
		into[id] = set
	}
	return failed
}

// noReasons says whether there is nothing for which an extension is disabled:
// a sum of reasons, or in newer versions a list.
func noReasons(text json.RawMessage) bool {
	switch string(bytes.TrimSpace(text)) {
	case "", "0", "[]", "null":
		return true
	}
	return false
}

// directory gives where the files of an extension are; a path that is not
// whole begins in the directory of extensions.
func (s *chromiumSetting) directory(extensions string) string {
	switch {
	case s.path == "":
		return ""
	case strings.HasPrefix(s.path, "/"):
		return path.Clean(s.path)
	case len(s.path) > 2 && s.path[1] == ':':
		return path.Clean(s.path[2:]) // of a drive of Windows
	}
	return path.Join(extensions, s.path)
}

// fill puts what the preferences say into a row: that a version is enabled
// only if it lies where they say.
func (s *chromiumSetting) fill(x *extension, at string) {
	if !s.known {
		return
	}
	enabled := s.enabled && (at == "" || at == x.path)
	x.enabled, x.fromStore = &enabled, s.fromStore
	x.location = chromiumLocation(s.location)
	x.installed = chromiumTime(s.installed)
}

// chromiumLocation gives the word for Chromium's number of how an extension
// came in.
func chromiumLocation(n int) string {
	names := [...]string{"", "store", "preference_file", "registry", "unpacked", "component", "preference_url", "policy", "command_line", "policy", "external_component"}
	if n > 0 && n < len(names) {
		return names[n]
	}
	return ""
}

// chromiumTime reads a time in microseconds since the year 1601.
func chromiumTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	const between = 11_644_473_600 // seconds from 1601 to 1970
	return inRange(time.Unix(n/1e6-between, n%1e6*1000).UTC())
}

// parseMozilla reads extensions.json of a profile of Firefox.
func parseMozilla(base extension, text []byte, bad complaint) []extension {
	var file struct {
		Addons *[]json.RawMessage
	}
	if decode(text, &file) != nil || file.Addons == nil {
		bad(base.source)
		return nil
	}
	var list []extension
	for i, raw := range *file.Addons {
		x := base
		if !x.addMozilla(raw) {
			bad(at(base.source, i+1))
			continue
		}
		list = append(list, x)
	}
	return list
}

// addMozilla adds what Firefox says of an extension.
func (x *extension) addMozilla(text []byte) bool {
	var a struct {
		ID, Version, Type, Path, Location, SourceURI, UpdateURL string
		Active                                                  *bool
		ApplyBackgroundUpdates                                  *int
		InstallDate                                             int64
		DefaultLocale                                           struct{ Name, Description, Creator string }
		UserPermissions                                         *struct{ Permissions, Origins []string }
	}
	if decode(text, &a) != nil || a.ID == "" {
		return false
	}
	x.id, x.version, x.kind, x.location, x.updates = a.ID, a.Version, a.Type, a.Location, a.UpdateURL
	x.path, x.enabled = strings.ReplaceAll(a.Path, `\`, "/"), a.Active
	x.name, x.description, x.author = a.DefaultLocale.Name, a.DefaultLocale.Description, a.DefaultLocale.Creator
	if a.UserPermissions != nil {
		x.permissions, x.hosts = append([]string{}, a.UserPermissions.Permissions...), append([]string{}, a.UserPermissions.Origins...)
	}
	if a.ApplyBackgroundUpdates != nil {
		auto := *a.ApplyBackgroundUpdates != 0
		x.autoUpdate = &auto
	}
	if a.SourceURI != "" {
		store := strings.HasPrefix(a.SourceURI, "https://addons.mozilla.org/") || strings.HasPrefix(a.SourceURI, "https://addons.thunderbird.net/")
		x.fromStore = &store
	}
	if a.InstallDate > 0 {
		x.installed = inRange(time.UnixMilli(a.InstallDate).UTC())
	}
	return true
}

// parseMessages reads messages.json: the words of a language, by names whose
// case does not matter.
func parseMessages(text []byte) (map[string]string, error) {
	var file map[string]struct{ Message string }
	if err := decode(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &file); err != nil {
		return nil, err
	}
	words := map[string]string{}
	for name, m := range file {
		words[strings.ToLower(name)] = m.Message
	}
	return words, nil
}

const messageFront, messageEnd = "__MSG_", "__"

// isMessage says whether a text stands for a message.
func isMessage(text string) bool {
	return len(text) > len(messageFront)+len(messageEnd) && strings.HasPrefix(text, messageFront) && strings.HasSuffix(text, messageEnd)
}

// message gives the words that a text stands for, or the text.
func message(words map[string]string, text string) string {
	if !isMessage(text) {
		return text
	}
	if word := words[strings.ToLower(text[len(messageFront):len(text)-len(messageEnd)])]; word != "" {
		return word
	}
	return text
}

// sortedKeys gives the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
