package account

import (
	"cmp"
	"errors"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A login is something that a file of logins tells.
type login struct {
	path, kind, user, tty, host string
	address                     netip.Addr
	pid, uid                    int64 // 0 and -1 for none
	at, until                   time.Time
	ended                       string
}

// The kinds of login.
const (
	loginIn, loginOut, loginFailed, loginLast    = "login", "logout", "failed", "last"
	loginBoot, loginDown, loginLevel, loginClock = "boot", "shutdown", "runlevel", "clock"
	loginInit, loginPrompt, loginEmpty           = "init", "prompt", "empty"
)

// How a login ended.
const (
	endOut, endDown, endCrash, endNext = "logout", "shutdown", "crash", "replaced"
)

func logins() modules.Module {
	type row = login
	return table.New(modules.Schema{
		Name: "login", Doc: "What is written down of logins, failed ones too, and of starts of the system: utmp, wtmp and btmp with their rotated files, and lastlog; on macOS utmpx, which has those who are logged in.",
		Locator: pathLocator("/var/log/btmp*"),
	}, []table.Column[row]{
		table.Time("time", "When it happened.", func(r *row) time.Time { return r.at }).Shown(),
		table.Text("kind", "What happened: last is the last login that lastlog keeps of a user, prompt a terminal that waits for one, empty a record that something cleared.", func(r *row) string { return r.kind }).
			OneOf(loginIn, loginOut, loginFailed, loginLast, loginBoot, loginDown, loginLevel, loginClock, loginInit, loginPrompt, loginEmpty).Shown(),
		table.Text("user", "The name that was given; of a failed login whatever was typed.", func(r *row) string { return r.user }).To("user").Shown(),
		table.Value("uid", value.Int, "The number of the user, in records of lastlog.", func(r *row) value.Value {
			if r.uid < 0 {
				return value.Value{}
			}
			return value.NewInt(r.uid)
		}),
		table.Text("tty", "The terminal, or the service that wrote the record.", func(r *row) string { return r.tty }).Shown(),
		table.Text("host", "Where the login came from, as it was written down; of a start of the system the kernel's version.", func(r *row) string { return r.host }).Shown(),
		table.IP("address", "The address that it came from.", func(r *row) netip.Addr { return r.address }).Shown(),
		table.Value("process", value.Int, "The process that was logged in.", func(r *row) value.Value {
			if r.pid <= 0 {
				return value.Value{}
			}
			return value.NewInt(r.pid)
		}).To("process"),
		table.Time("until", "When the login ended, as far as wtmp tells; for a crash the next start of the system.", func(r *row) time.Time { return r.until }).Shown(),
		table.Value("duration", value.Duration, "How long the login lasted.", func(r *row) value.Value {
			if r.until.IsZero() || r.at.IsZero() {
				return value.Value{}
			}
			return value.NewDuration(r.until.Sub(r.at))
		}),
		table.Text("ended", "How the login ended; replaced means that the next login at the terminal is all that tells of it.", func(r *row) string { return r.ended }).
			OneOf(endOut, endDown, endCrash, endNext),
		table.Text("path", "The file that tells.", func(r *row) string { return r.path }).To("file"),
	}, listLogins).By()
}

func listLogins(s *table.Scan, yield func(*login) error) error {
	if len(s.Locators) == 0 && onWindows(s, "login") {
		return nil
	}
	var wtmps []string
	var others []string
	for p, err := range places(s, "/var/log/wtmp*", "/var/log/btmp*", "/var/log/lastlog", utmpPath(s.FS), "/private/var/run/utmpx") {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(path.Base(p.path), "wtmp"):
			wtmps = append(wtmps, p.path)
		default:
			others = append(others, p.path)
		}
	}
	if err := listWtmp(s, byAge(s.FS, wtmps), yield); err != nil {
		return err
	}
	for _, name := range others {
		if err := listOther(s, name, yield); err != nil {
			return err
		}
	}
	return nil
}

// utmpPath gives where utmp is.
func utmpPath(f *hostfs.FS) string {
	if f.Exists("/run/utmp") {
		return "/run/utmp"
	}
	return "/var/run/utmp"
}

// byAge sorts rotated files by the time of their first record, since a login
// may be in one and its end in the next.
func byAge(f *hostfs.FS, names []string) []string {
	first := map[string]int64{}
	for _, name := range names {
		_ = eachUtmp(f, name, func(modules.Skip) {}, func(_ int, r *utmpRecord) error {
			if r.at.IsZero() {
				return nil
			}
			first[name] = r.at.UnixNano()
			return io.EOF
		})
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(first[a], first[b]) })
	return names
}

// listOther lists the logins of a file that tells of no ends.
func listOther(s *table.Scan, name string, yield func(*login) error) error {
	base := path.Base(name)
	if strings.HasPrefix(base, "lastlog") {
		users := Users(s.FS)
		return eachLast(s, name, func(uid int64, r lastRecord) error {
			l := &login{path: name, kind: loginLast, tty: r.tty, host: r.host, at: r.at, uid: uid}
			if i := slices.IndexFunc(users, func(u User) bool { return u.UID == uid }); i >= 0 {
				l.user = users[i].Name
			}
			l.address, _ = netip.ParseAddr(r.host)
			return yield(l)
		})
	}
	return eachUtmp(s.FS, name, s.Report.Skip, func(_ int, r *utmpRecord) error {
		if r.kind == typeEmpty && !strings.HasPrefix(base, "btmp") {
			return nil // utmp has such where nobody is logged in
		}
		l := loginOf(name, r)
		if strings.HasPrefix(base, "btmp") && r.kind != typeEmpty {
			l.kind = loginFailed
		}
		return yield(l)
	})
}

// loginOf makes a login of a record.
func loginOf(name string, r *utmpRecord) *login {
	l := &login{
		path: name, user: r.user, tty: r.tty, host: r.host, address: r.address,
		pid: int64(r.pid), uid: -1, at: r.at,
	}
	switch r.kind {
	case typeRunLevel:
		l.kind, l.pid = loginLevel, 0
		if r.down() {
			l.kind = loginDown
		}
	case typeBoot:
		l.kind = loginBoot
	case typeNewTime, typeOldTime:
		l.kind = loginClock
	case typeInit:
		l.kind = loginInit
	case typePrompt:
		l.kind = loginPrompt
	case typeUser, typeAccounting:
		l.kind = loginIn
	case typeDead:
		l.kind = loginOut
	default:
		l.kind = loginEmpty
	}
	return l
}

// listWtmp lists the logins of files that tell of ends too, oldest first. They
// are read twice where ends are asked for.
func listWtmp(s *table.Scan, names []string, yield func(*login) error) error {
	e := &endings{open: map[string]endKey{}, at: map[endKey]ending{}}
	if s.Wants("until", "duration", "ended") {
		for i, name := range names {
			err := eachUtmp(s.FS, name, func(modules.Skip) {}, func(n int, r *utmpRecord) error {
				if err := s.Context().Err(); err != nil {
					return err
				}
				return e.add(endKey{i, n}, r)
			})
			if errors.Is(err, hostfs.ErrTooLarge) {
				s.Fail(name, err)
				break
			}
			if err != nil {
				return err
			}
		}
	}
	for i, name := range names {
		err := eachUtmp(s.FS, name, s.Report.Skip, func(n int, r *utmpRecord) error {
			l := loginOf(name, r)
			end := e.at[endKey{i, n}]
			l.until, l.ended = end.at, end.how
			return yield(l)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// An endKey is the number of a file and that of a record in it.
type endKey struct{ file, record int }

type ending struct {
	at  time.Time
	how string
}

// endings finds out when logins ended, from records in their order.
type endings struct {
	open map[string]endKey // by terminal
	at   map[endKey]ending
}

// add takes the next record. The number of logins whose ends are kept is
// bounded as the records of a file are.
func (e *endings) add(k endKey, r *utmpRecord) error {
	switch {
	case r.down():
		e.closeAll(ending{r.at, endDown})
	case r.kind == typeBoot:
		e.closeAll(ending{r.at, endCrash})
	case r.kind == typeDead:
		e.close(r.tty, ending{r.at, endOut})
	case r.kind == typeUser && r.tty != "":
		e.close(r.tty, ending{r.at, endNext})
		if len(e.at)+len(e.open) >= maxRecords {
			return hostfs.ErrTooLarge
		}
		e.open[r.tty] = k
	}
	return nil
}

func (e *endings) close(tty string, end ending) {
	if k, ok := e.open[tty]; ok {
		e.at[k] = end
		delete(e.open, tty)
	}
}

func (e *endings) closeAll(end ending) {
	for _, k := range e.open {
		e.at[k] = end
	}
	clear(e.open)
}
