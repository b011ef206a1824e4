package account

import (
	"net/netip"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A session is a login that has not ended.
type session struct {
	path, id, user, tty, host, service, kind, state string
	address                                         netip.Addr
	pid                                             int64
	since                                           time.Time
}

func sessions() modules.Module {
	type row = session
	return table.New(modules.Schema{
		Name: "session", Doc: "Who is logged in now, as utmp and systemd-logind write it down.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "user", Doc: "a glob of names of users", Example: "root"},
	}, []table.Column[row]{
		table.Text("user", "Who is logged in.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Text("tty", "The terminal; null where there is none.", func(r *row) string { return r.tty }).Shown(),
		table.Text("host", "Where the login came from; null where it is the machine itself.", func(r *row) string { return r.host }).Shown(),
		table.IP("address", "The address that it came from, where it is known.", func(r *row) netip.Addr { return r.address }),
		table.Time("time", "When the session began.", func(r *row) time.Time { return r.since }).Shown(),
		table.Value("process", value.Int, "The process that leads the session.", func(r *row) value.Value {
			if r.pid <= 0 {
				return value.Value{}
			}
			return value.NewInt(r.pid)
		}).To("process").Shown(),
		table.Text("id", "The name that systemd-logind gave the session.", func(r *row) string { return r.id }),
		table.Text("service", "What logged the user in, such as sshd.", func(r *row) string { return r.service }).Shown(),
		table.Text("type", "What the session is, in the words of systemd-logind, such as tty or x11.", func(r *row) string { return r.kind }),
		table.Text("state", "How the session is doing, in the words of systemd-logind, such as active or closing.", func(r *row) string { return r.state }),
		table.Text("path", "The file that tells.", func(r *row) string { return r.path }).To("file"),
	}, listSessions)
}

// maxSession is how much of a file of a session is read, in bytes.
const maxSession = 64 << 10

// listSessions takes logind's word first, and utmp's for those that logind
// does not know.
func listSessions(s *table.Scan, yield func(*session) error) error {
	if s.FS.Live() && runtime.GOOS != "linux" {
		s.Skip(modules.SkipUnsupported, "session", "only systemd writes these down")
		return nil
	}
	var known []session
	const dir = "/run/systemd/sessions"
	for _, name := range s.FS.List(dir) {
		if strings.HasSuffix(name, ".ref") || strings.HasPrefix(name, ".") {
			continue // a pipe by which the session is held
		}
		file := path.Join(dir, name)
		text, err := s.FS.Append(nil, file, maxSession)
		if err != nil {
			s.Fail(file, err)
			continue
		}
		one, ok := parseSession(text)
		if !ok {
			s.Fail(file, hostfs.ErrMalformed)
			continue
		}
		one.path, one.id = file, name
		known = append(known, one)
		if err := yield(&one); err != nil {
			return err
		}
	}
	name := utmpPath(s.FS)
	if !s.FS.Exists(name) {
		return nil
	}
	return eachUtmp(s.FS, name, s.Report.Skip, func(_ int, r *utmpRecord) error {
		if r.kind != typeUser || r.user == "" || slices.ContainsFunc(known, func(k session) bool { return k.is(r) }) {
			return nil
		}
		return yield(&session{path: name, user: r.user, tty: r.tty, host: r.host, address: r.address, pid: int64(r.pid), since: r.at})
	})
}

// is says whether a record of utmp speaks of the session.
func (k *session) is(r *utmpRecord) bool {
	return k.user == r.user && (k.pid == int64(r.pid) || k.tty != "" && k.tty == r.tty)
}

// parseSession reads a file of systemd-logind: lines of a name, = and a
// value, which may be quoted as in C.
func parseSession(text []byte) (session, bool) {
	var k session
	for _, line := range table.Lines(text) {
		name, val, _ := strings.Cut(line, "=")
		if plain, err := strconv.Unquote(val); err == nil {
			val = plain
		}
		switch name {
		case "USER":
			k.user = val
		case "TTY":
			k.tty = strings.TrimPrefix(val, "/dev/")
		case "REMOTE_HOST":
			k.host = val
			k.address, _ = netip.ParseAddr(val)
		case "SERVICE":
			k.service = val
		case "TYPE":
			k.kind = val
		case "STATE":
			k.state = val
		case "LEADER":
			k.pid, _ = strconv.ParseInt(val, 10, 32)
		case "REALTIME":
			if us, err := strconv.ParseInt(val, 10, 64); err == nil && us > 0 {
				k.since = time.UnixMicro(us)
			}
		}
	}
	return k, k.user != ""
}
