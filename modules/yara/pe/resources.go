package pe

// Resources are icons, texts, versions and whatever else is packed in.
type Resources struct {
	Timestamp, Major, Minor int64
	List                    []Resource
	Version                 []Pair // what the version of the program says of itself, in order
}

// A Pair is a name and what stands under it.
type Pair struct{ Key, Value string }

// A Resource is one of them. Type, name and language are each a number or a
// text, which is UTF-16 as in the file.
type Resource struct {
	Address, Length      int64
	Offset               int64 // -1 for nowhere
	Type, Name, Language Label
}

// A Label is a number or a text.
type Label struct {
	Number int64
	Text   string
	IsText bool
}

// Bounds of what is read.
const (
	maxResources = 65536 // as YARA
	// maxEntries bounds directories that contain one another's entries.
	maxEntries   = 1 << 18
	typeVersion  = 16
	resourceHigh = 0x8000_0000 // marks a text, or a directory
)

// Resources gives the directory of resources; nil where there is none.
func (f *File) Resources() *Resources { return f.resources.get(f.readResources) }

func (f *File) readResources() *Resources {
	dir, ok := f.directory(dirResource)
	if !ok {
		return nil
	}
	at := f.Offset(uint64(dir.At))
	if at < 0 || !f.data.Fits(at, resourceDirSize) {
		return nil
	}
	r := &Resources{}
	stamp, _ := f.u32(at + 4)
	major, _ := f.u16(at + 8)
	minor, _ := f.u16(at + 10)
	r.Timestamp, r.Major, r.Minor = int64(stamp), int64(major), int64(minor)
	w := &resourceWalk{f: f, base: at, into: r}
	w.labels[0].Number, w.labels[1].Number, w.labels[2].Number = -1, -1, -1
	w.directory(at, 0)
	return r
}

const (
	resourceDirSize   = 16
	resourceEntrySize = 8
	resourceDataSize  = 16
)

// A resourceWalk goes down the three levels: type, name, language.
type resourceWalk struct {
	f        *File
	base     int64
	into     *Resources
	labels   [3]Label
	entries  int
	versions int
}

// directory reports false where the walk ends, since what it found makes no
// sense.
func (w *resourceWalk) directory(at int64, level int) bool {
	flags, _ := w.f.u32(at)
	named, _ := w.f.u16(at + 12)
	numbered, _ := w.f.u16(at + 14)
	if flags != 0 || named > 32768 || numbered > 32768 {
		return true
	}
	at += resourceDirSize
	for range named + numbered {
		if w.entries++; !w.f.data.Fits(at, resourceEntrySize) || w.entries > maxEntries {
			return false
		}
		if !w.entry(at, level) {
			return false
		}
		at += resourceEntrySize
	}
	return true
}

func (w *resourceWalk) entry(at int64, level int) bool {
	name, _ := w.f.u32(at)
	to, _ := w.f.u32(at + 4)
	w.labels[level] = w.label(name)
	place := w.base + int64(to&^resourceHigh)
	if to&resourceHigh != 0 && level < 2 {
		return w.f.data.Fits(place, resourceDirSize) && w.directory(place, level+1)
	}
	if !w.f.data.Fits(place, resourceDataSize) {
		return false
	}
	w.data(place)
	return true
}

func (w *resourceWalk) label(name uint64) Label {
	l := Label{Number: int64(int32(name))}
	if name&resourceHigh == 0 {
		return l
	}
	at := w.base + int64(name&^resourceHigh)
	n, ok := w.f.u16(at)
	if b := w.f.data.Bytes(at+2, int64(n)*2); ok && (b != nil || n == 0) {
		l.Text, l.IsText = string(b), true
	}
	return l
}

func (w *resourceWalk) data(at int64) {
	if len(w.into.List) > maxResources {
		return
	}
	address, _ := w.f.u32(at)
	length, _ := w.f.u32(at + 4)
	r := Resource{
		Address: int64(address), Length: int64(length), Offset: w.f.Offset(address),
		Type: w.labels[0], Name: w.labels[1], Language: w.labels[2],
	}
	w.into.List = append(w.into.List, r)
	if r.Type.Number == typeVersion && r.Offset >= 0 && w.versions < maxVersionResources {
		w.versions++
		w.version(r.Offset)
	}
}

// Sizes of the tree of a version: each node has its length, that of its
// value, a type, a key in UTF-16 that ends in a zero, and what it holds.
const (
	versionHead = 6
	maxKey      = 63  // characters, as YARA
	maxVersion  = 255 // characters, as YARA
	maxVersions = 4096
	// maxVersionResources bounds those that are read; a program has one.
	maxVersionResources = 64
	// maxWide is the longest text in UTF-16 that is read, in bytes: a node
	// says its length in sixteen bits.
	maxWide = 1 << 16
)

// version reads the texts of a version's string tables.
func (w *resourceWalk) version(at int64) {
	f := w.f
	if !f.wideIs(at+versionHead, "VS_VERSION_INFO") {
		return
	}
	at += align4(versionHead + 86) // the key, and fixed numbers
	for f.wideIs(at+versionHead, "VarFileInfo") && f.nodeLength(at) > 0 {
		at += align4(f.nodeLength(at))
	}
	for f.wideIs(at+versionHead, "StringFileInfo") && f.nodeLength(at) > 0 {
		end := at + align4(f.nodeLength(at))
		table := at + align4(versionHead+30)
		for table < end && f.nodeLength(table) > 0 {
			_, n, ok := f.narrow(table+versionHead, maxKey)
			if !ok {
				break
			}
			next := table + align4(f.nodeLength(table))
			w.texts(table+align4(versionHead+n), next)
			table = next
		}
		at = end
	}
}

// texts reads the entries of one string table.
func (w *resourceWalk) texts(at, end int64) {
	f := w.f
	for at < end && f.nodeLength(at) > 0 && len(w.into.Version) < maxVersions {
		key, n, ok := f.narrow(at+versionHead, maxKey)
		if !ok {
			return
		}
		if text, _, ok := f.narrow(at+align4(versionHead+n), maxVersion); ok {
			if size, _ := f.u16(at + 2); size == 0 {
				text = ""
			}
			w.into.Version = append(w.into.Version, Pair{key, text})
		}
		at += align4(f.nodeLength(at))
	}
}

func align4(n int64) int64 { return (n + 3) &^ 3 }

func (f *File) nodeLength(at int64) int64 {
	if !f.data.Fits(at, versionHead) {
		return 0
	}
	n, _ := f.u16(at)
	return int64(n)
}

// wideIs compares a text in UTF-16 that ends in a zero.
func (f *File) wideIs(at int64, text string) bool {
	b := f.data.Bytes(at, int64(len(text)+1)*2)
	if b == nil {
		return false
	}
	for i := range len(text) {
		if b[2*i] != text[i] || b[2*i+1] != 0 {
			return false
		}
	}
	return b[2*len(text)] == 0
}

// narrow reads a text in UTF-16 that ends in a zero as the lower bytes of its
// characters, and how many bytes it takes with its end.
func (f *File) narrow(at int64, most int) (text string, size int64, ok bool) {
	var out []byte
	cut := false
	for n := int64(2); n <= maxWide; n += 2 {
		c, ok := f.u16(at + n - 2)
		if !ok {
			return "", 0, false
		}
		if c == 0 {
			return string(out), n, true
		}
		cut = cut || byte(c) == 0 || len(out) == most
		if !cut {
			out = append(out, byte(c))
		}
	}
	return "", 0, false
}
