package packages

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Two more files of dpkg: what was put elsewhere, and what an administrator
// gave another mode.
const (
	dpkgDiversions = dpkgDir + "/diversions"
	dpkgOverrides  = dpkgDir + "/statoverride"
)

// dpkgPacked lists the files of dpkg's packages.
func dpkgPacked(c *crate) error {
	diverted := readDiversions(c.FS)
	var overrides map[string]packed
	if c.details {
		overrides = readOverrides(c.FS)
	}
	return eachDpkg(c.FS, func(p *pkg) error {
		list, ok := dpkgList(c.FS, p)
		if !ok {
			return nil
		}
		x := packed{manager: "dpkg", pkg: p.id(), size: -1, optional: p.status == "config-files"}
		var says map[string]digest
		return eachListed(list, func(path string) error {
			if x.path = path; len(diverted) > 0 {
				x.path = diverted.of(path, p.name)
			}
			if !c.wants(x.path) {
				return c.ctx.Err()
			}
			if c.details && says == nil { // of most packages no file is wanted
				says = dpkgDigests(c.FS, p)
			}
			d := says[path]
			x.algorithm, x.digest, x.config = d.algorithm(), d.sum, d.config
			o := overrides[x.path]
			x.owned, x.mode, x.user, x.group = o.owned, o.mode, o.user, o.group
			return c.yield(&x)
		})
	})
}

// dpkgList reads the list of a package's files. In images without dpkg the
// digests are the only list.
func dpkgList(f *hostfs.FS, p *pkg) (string, bool) {
	if p.path != dpkgStatus {
		text, ok := readText(f, dpkgFile(f, p, ".md5sums"), hostfs.MaxFile)
		var list strings.Builder
		eachDigest(text, func(path, _ string) {
			list.WriteString(path + "\n")
		})
		return list.String(), ok
	}
	first, second := dpkgInfo+"/"+p.name+".list", dpkgInfo+"/"+p.name+":"+p.arch+".list"
	if p.multi {
		first, second = second, first
	}
	text, err := f.Append(nil, first, maxDatabase)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = f.Append(nil, second, maxDatabase)
	}
	if err != nil {
		f.Fail(first, err)
		return "", false
	}
	return string(text), true
}

// eachListed calls yield for each path of a list of dpkg's. The root is in it
// as /., and is nobody's.
func eachListed(list string, yield func(path string) error) error {
	for list != "" {
		var line string
		line, list = cutLine(list)
		if len(line) < 2 || line[0] != '/' || line == "/." {
			continue
		}
		if err := yield(line); err != nil {
			return err
		}
	}
	return nil
}

// A digest is what dpkg knows of a file's content.
type digest struct {
	sum    []byte // of MD5; nil where it is not known
	config bool
}

func (d digest) algorithm() string {
	if d.sum == nil {
		return ""
	}
	return "md5"
}

// dpkgDigests gives the digests of a package's files by their paths: those
// that it brought in md5sums, and in the status file those of settings.
func dpkgDigests(f *hostfs.FS, p *pkg) map[string]digest {
	all := map[string]digest{}
	name := dpkgFile(f, p, ".md5sums")
	text, _ := readText(f, name, maxDatabase)
	if bad := eachDigest(text, func(path, sum string) {
		all[path] = digest{sum: unhex(sum)}
	}); bad > 0 {
		fail(f, name, bad)
	}
	for rest := p.conffiles; rest != ""; {
		var line string
		line, rest = cutLine(rest)
		path, sum, ok := parseConffile(line)
		if !ok {
			f.Fail(p.path+" of "+p.id(), hostfs.ErrMalformed)
			continue
		}
		all[path] = digest{unhex(sum), true}
	}
	return all
}

// eachDigest reads lines of md5sum(1) with paths below the root, and gives the
// first that is none, or 0.
func eachDigest(text string, yield func(path, sum string)) (bad int) {
	for n := 1; text != ""; n++ {
		var line string
		line, text = cutLine(text)
		sum, path, ok := strings.Cut(line, " ")
		path = strings.TrimPrefix(strings.TrimLeft(path, " *"), "./")
		switch {
		case ok && len(sum) == 32 && unhex(sum) != nil && path != "":
			yield("/"+strings.TrimPrefix(path, "/"), sum)
		case line != "" && bad == 0:
			bad = n
		}
	}
	return bad
}

// parseConffile reads a line of the field Conffiles: the path, the digest or
// newconffile, and words such as obsolete.
func parseConffile(line string) (path, sum string, ok bool) {
	line = strings.TrimSpace(line)
	for {
		i := strings.LastIndexByte(line, ' ')
		if i <= 0 || line[0] != '/' {
			return "", "", false
		}
		path, sum = line[:i], line[i+1:]
		if sum != "obsolete" && sum != "remove-on-upgrade" {
			return path, sum, len(sum) == 32 && unhex(sum) != nil || sum == "newconffile"
		}
		line = path
	}
}

// unhex gives the bytes that hexadecimal digits stand for; nil where they are
// none.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// diversions say where a file is when another package has taken its place.
type diversions map[string]diversion

type diversion struct{ to, by string }

// of gives where a package's file is: who diverts a file has it himself.
func (d diversions) of(path, pkg string) string {
	if x, ok := d[path]; ok && x.by != pkg {
		return x.to
	}
	return path
}

func readDiversions(f *hostfs.FS) diversions {
	text, _ := readText(f, dpkgDiversions, hostfs.MaxFile)
	d, ok := parseDiversions(text)
	if !ok {
		f.Fail(dpkgDiversions, hostfs.ErrMalformed)
	}
	return d
}

// parseDiversions reads three lines for each: the path, where it is now, and
// the package that did it, or : for an administrator.
func parseDiversions(text string) (diversions, bool) {
	d := diversions{}
	for text != "" {
		var x [3]string
		for i := range x {
			x[i], text = cutLine(text)
		}
		if !strings.HasPrefix(x[0], "/") || !strings.HasPrefix(x[1], "/") || x[2] == "" {
			return d, false
		}
		d[x[0]] = diversion{x[1], x[2]}
	}
	return d, true
}

// readOverrides reads what an administrator decided on modes and owners.
func readOverrides(f *hostfs.FS) map[string]packed {
	all := map[string]packed{}
	text, _ := readText(f, dpkgOverrides, hostfs.MaxFile)
	for n := 1; text != ""; n++ {
		var line string
		line, text = cutLine(text)
		x, ok := parseOverride(line)
		if !ok && line != "" {
			fail(f, dpkgOverrides, n)
		}
		if ok {
			all[x.path] = x
		}
	}
	return all
}

// parseOverride reads a line: user group mode path.
func parseOverride(line string) (packed, bool) {
	f := strings.SplitN(line, " ", 4)
	if len(f) != 4 || f[0] == "" || f[1] == "" || !strings.HasPrefix(f[3], "/") {
		return packed{}, false
	}
	mode, err := strconv.ParseUint(f[2], 8, 12)
	return packed{path: f[3], user: f[0], group: f[1], mode: uint32(mode), owned: err == nil}, err == nil
}
