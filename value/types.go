package value

// Type is the type of a value, and of a column. Its numbers are part of the wire form and never change.
type Type uint8

// The types, in the order of the wire form.
const (
	// Null is the type of the zero Value: unknown, absent.
	Null Type = iota
	// Text is any string of bytes that is meant to be read; it need not be valid UTF-8.
	Text
	// Bytes is raw data.
	Bytes
	// Int is a signed whole number of 64 bits.
	Int
	// Float is a double; all NaN are one.
	Float
	// Bool is true or false.
	Bool
	// Size is a number of bytes.
	Size
	// Duration is a span of time in nanoseconds.
	Duration
	// Time is a moment in UTC with nanoseconds, in the years 1 to 9999.
	Time
	// IP is an address of either family, with a zone for IPv6.
	IP
	// CIDR is an address with the length of a network prefix.
	CIDR
	// Hash is a digest, raw.
	Hash
	// Version is the version of a package or a program, with the Scheme that orders it.
	Version
	// Mode is st_mode of Unix: kind of file, set-id bits, permissions.
	Mode
	// List is a sequence of values.
	List

	typeCount = int(List) + 1
)

var typeNames = [typeCount]string{
	"null", "text", "bytes", "int", "float", "bool", "size", "duration", "time",
	"ip", "cidr", "hash", "version", "mode", "list",
}

// String gives the name of the type as the query language spells it, or "invalid".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "invalid"
}

// ParseType finds the type with the name, in lower case as String gives it.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if n == name {
			return Type(i), true
		}
	}
	return Null, false
}

// Scheme is a set of rules by which versions are ordered. Its numbers are part of the wire form.
type Scheme uint8

// The schemes, in the order of the wire form.
const (
	// AnyScheme is a version whose origin is not known, such as a literal: it takes the scheme of
	// the version that it is compared with.
	AnyScheme Scheme = iota
	// Dpkg is Debian's and Ubuntu's.
	Dpkg
	// RPM is Red Hat's, Fedora's and SUSE's.
	RPM
	// APK is Alpine's.
	APK
	// Semver is semantic versioning 2.0, read leniently.
	Semver

	schemeCount = int(Semver) + 1
)

var schemeNames = [schemeCount]string{"any", "dpkg", "rpm", "apk", "semver"}

// String gives the name of the scheme in lower case, or "invalid".
func (s Scheme) String() string {
	if int(s) < len(schemeNames) {
		return schemeNames[s]
	}
	return "invalid"
}

// ParseScheme finds the scheme with the name, in lower case as String gives it.
func ParseScheme(name string) (Scheme, bool) {
	for i, n := range schemeNames {
		if n == name {
			return Scheme(i), true
		}
	}
	return AnyScheme, false
}
