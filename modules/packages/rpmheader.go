package packages

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// An rpmHeader is what rpm keeps of a package: two numbers, of entries and of
// bytes of data, then entries of 16 bytes, the tag, the type, the place in the
// data and the count, then the data. All numbers are big endian.
type rpmHeader struct{ entries, data []byte }

// rpmEntry is the length of an entry in bytes, maxRpmEntries how many of them
// rpm allows, and maxRpmValues how many values one may have: a package with a
// million files is none.
const (
	rpmEntry      = 16
	maxRpmEntries = 1 << 16
	maxRpmValues  = 1 << 20
)

// The tags that are looked at, by their names in rpm's tables.
const (
	rpmName           = 1000
	rpmVersion        = 1001
	rpmRelease        = 1002
	rpmEpoch          = 1003
	rpmSummary        = 1004
	rpmInstallTime    = 1008
	rpmSize           = 1009
	rpmVendor         = 1011
	rpmGroup          = 1016
	rpmHeaderSHA1     = 269
	rpmLicense        = 1014
	rpmPackager       = 1015
	rpmURL            = 1020
	rpmArch           = 1022
	rpmOldFilenames   = 1027
	rpmFileSizes      = 1028
	rpmFileStates     = 1029
	rpmFileModes      = 1030
	rpmFileDigests    = 1035
	rpmFileFlags      = 1037
	rpmFileUser       = 1039
	rpmFileGroup      = 1040
	rpmSourceRPM      = 1044
	rpmFileVerify     = 1045
	rpmDirIndexes     = 1116
	rpmBaseNames      = 1117
	rpmDirNames       = 1118
	rpmLongFileSizes  = 5008
	rpmLongSize       = 5009
	rpmFileDigestAlgo = 5011
)

// parseRpmHeader finds the parts of a header.
func parseRpmHeader(blob []byte) (rpmHeader, bool) {
	if len(blob) < 8 {
		return rpmHeader{}, false
	}
	n, size := uint64(binary.BigEndian.Uint32(blob)), uint64(binary.BigEndian.Uint32(blob[4:]))
	if n > maxRpmEntries || 8+n*rpmEntry+size > uint64(len(blob)) {
		return rpmHeader{}, false
	}
	entries, data := blob[8:8+n*rpmEntry], blob[8+n*rpmEntry:]
	return rpmHeader{entries, data[:size]}, true
}

// find gives the type, the count and the data from the place of a tag on.
func (h rpmHeader) find(tag uint32) (kind, count uint32, data []byte) {
	for e := h.entries; len(e) >= rpmEntry; e = e[rpmEntry:] {
		if binary.BigEndian.Uint32(e) != tag {
			continue
		}
		at := binary.BigEndian.Uint32(e[8:])
		if uint64(at) > uint64(len(h.data)) {
			return 0, 0, nil
		}
		return binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[12:]), h.data[at:]
	}
	return 0, 0, nil
}

// has says whether there is a tag at all.
func (h rpmHeader) has(tag uint32) bool {
	kind, _, _ := h.find(tag)
	return kind != 0
}

// The types of values: numbers of 1, 2, 4 and 8 bytes, and texts that end
// with a zero.
const (
	rpmChar    = 1
	rpmInt8    = 2
	rpmInt16   = 3
	rpmInt32   = 4
	rpmInt64   = 5
	rpmString  = 6
	rpmStrings = 8
	rpmI18n    = 9 // of which the first is that of no language
)

// texts gives the texts of a tag.
func (h rpmHeader) texts(tag uint32) []string {
	kind, count, data := h.find(tag)
	if kind != rpmString && kind != rpmStrings && kind != rpmI18n || count > maxRpmValues {
		return nil
	}
	var all []string
	for ; count > 0; count-- {
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			return nil
		}
		all = append(all, string(data[:end]))
		data = data[end+1:]
	}
	return all
}

// text gives the first text of a tag.
func (h rpmHeader) text(tag uint32) string {
	if all := h.texts(tag); len(all) > 0 {
		return all[0]
	}
	return ""
}

// numbers gives the numbers of a tag.
func (h rpmHeader) numbers(tag uint32) []int64 {
	kind, count, data := h.find(tag)
	size := map[uint32]int{rpmChar: 1, rpmInt8: 1, rpmInt16: 2, rpmInt32: 4, rpmInt64: 8}[kind]
	if size == 0 || count > maxRpmValues || uint64(count)*uint64(size) > uint64(len(data)) {
		return nil
	}
	all := make([]int64, count)
	for i := range all {
		for _, b := range data[i*size : (i+1)*size] {
			all[i] = all[i]<<8 | int64(b)
		}
	}
	return all
}

// number gives the first number of the first of some tags that is there.
func (h rpmHeader) number(tags ...uint32) (int64, bool) {
	for _, tag := range tags {
		if all := h.numbers(tag); len(all) > 0 {
			return all[0], true
		}
	}
	return 0, false
}

// pkg gives the package that a header describes.
func (h rpmHeader) pkg() (pkg, bool) {
	p := pkg{
		manager: "rpm", scheme: value.RPM, status: "installed", size: -1,
		name: h.text(rpmName), arch: h.text(rpmArch), summary: h.text(rpmSummary), license: h.text(rpmLicense),
		url: h.text(rpmURL), maintainer: h.text(rpmPackager),
		section: h.text(rpmGroup), sum: h.text(rpmHeaderSHA1),
	}
	version, release := h.text(rpmVersion), h.text(rpmRelease)
	if p.name == "" || version == "" || release == "" {
		return p, false
	}
	p.version = version + "-" + release
	if epoch, ok := h.number(rpmEpoch); ok {
		p.version = strconv.FormatInt(epoch, 10) + ":" + p.version
	}
	if p.maintainer == "" {
		p.maintainer = h.text(rpmVendor)
	}
	if n, ok := h.number(rpmLongSize, rpmSize); ok && n >= 0 {
		p.size = n
	}
	if n, ok := h.number(rpmInstallTime); ok {
		p.installed = time.Unix(n, 0)
	}
	p.source, p.sourceVersion = sourceRpm(h.text(rpmSourceRPM))
	return p, true
}

// sourceRpm takes the name and the version from the name of a source package:
// glibc-2.34-60.el9.src.rpm.
func sourceRpm(file string) (name, version string) {
	file = strings.TrimSuffix(strings.TrimSuffix(file, ".rpm"), ".src")
	release := strings.LastIndexByte(file, '-')
	if release <= 0 {
		return "", ""
	}
	if i := strings.LastIndexByte(file[:release], '-'); i > 0 {
		return file[:i], file[i+1:]
	}
	return "", ""
}

// What rpm's flags and states say of files.
const (
	rpmConfig    = 1 << 0
	rpmMissingOK = 1 << 3
	rpmGhost     = 1 << 6

	rpmStateNormal = 0

	rpmVerifyDigest = 1 << 0
	rpmVerifySize   = 1 << 1
	rpmVerifyUser   = 1 << 3
	rpmVerifyGroup  = 1 << 4
	rpmVerifyMode   = 1 << 6

	modeRegular = 0o100000
	modeFormat  = 0o170000
)

// rpmAlgorithm gives the name of an algorithm by its number in OpenPGP, by
// which rpm calls them; without one it is the oldest.
func rpmAlgorithm(n int64) string {
	return map[int64]string{0: "md5", 1: "md5", 2: "sha1", 8: "sha256", 10: "sha512"}[n]
}

// files calls yield for each file of a package that is installed, and says
// whether the lists of the header fit each other.
func (h rpmHeader) files(id string, yield func(*packed) error) (ok bool, err error) {
	paths, ok := h.paths()
	if !ok {
		return false, nil
	}
	sizes := h.numbers(rpmLongFileSizes)
	if sizes == nil {
		sizes = h.numbers(rpmFileSizes)
	}
	modes, states, flags, verify := h.numbers(rpmFileModes), h.numbers(rpmFileStates), h.numbers(rpmFileFlags), h.numbers(rpmFileVerify)
	users, groups, digests := h.texts(rpmFileUser), h.texts(rpmFileGroup), h.texts(rpmFileDigests)
	algorithm, _ := h.number(rpmFileDigestAlgo)
	for i, path := range paths {
		if at(states, i, rpmStateNormal) != rpmStateNormal {
			continue // replaced by another package's, or never installed
		}
		flag, checks, mode := at(flags, i, 0), at(verify, i, -1), at(modes, i, 0)
		x := packed{manager: "rpm", pkg: id, path: path, size: -1, config: flag&rpmConfig != 0, optional: flag&(rpmGhost|rpmMissingOK) != 0}
		regular := mode&modeFormat == modeRegular && flag&rpmGhost == 0
		if regular && checks&rpmVerifyDigest != 0 {
			x.says(rpmAlgorithm(algorithm), at(digests, i, ""))
		}
		if regular && checks&rpmVerifySize != 0 {
			x.size = at(sizes, i, -1)
		}
		x.user, x.group = at(users, i, ""), at(groups, i, "")
		const owner = rpmVerifyUser | rpmVerifyGroup | rpmVerifyMode
		x.owned = mode != 0 && x.user != "" && x.group != "" && checks&owner == owner && flag&rpmGhost == 0
		x.mode = uint32(mode & 0o7777)
		if err := yield(&x); err != nil {
			return true, err
		}
	}
	return true, nil
}

// at gives the i-th of a list, or what stands for it where the list is short.
func at[T any](list []T, i int, none T) T {
	if i < len(list) {
		return list[i]
	}
	return none
}

// paths puts folders and names together.
func (h rpmHeader) paths() ([]string, bool) {
	names, dirs, indexes := h.texts(rpmBaseNames), h.texts(rpmDirNames), h.numbers(rpmDirIndexes)
	if names == nil {
		names = h.texts(rpmOldFilenames)
		return names, names != nil || !h.has(rpmBaseNames) && !h.has(rpmOldFilenames)
	}
	if len(indexes) != len(names) {
		return nil, false
	}
	for i, d := range indexes {
		if d < 0 || d >= int64(len(dirs)) {
			return nil, false
		}
		names[i] = dirs[d] + names[i]
	}
	return names, true
}
