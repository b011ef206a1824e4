package modules

import "errors"

// ErrEnough is returned by a yield that wants no further rows for its
// request. Scan passes it on; it is not a failure.
var ErrEnough = errors.New("modules: enough rows")

// A Report takes the account that a scan gives of itself. Its methods may be
// called from several goroutines.
type Report interface {
	// Looked adds n to what was looked at, by kind: "directories", "files",
	// "opened", "bytes", or the module's name for its rows.
	Looked(kind string, n int64)
	// Skip names one thing that the query asked about and that was not, or
	// not wholly, looked at.
	Skip(Skip)
}

// A Skip is one thing that was left out.
type Skip struct {
	Kind   SkipKind
	Where  string // a path or another key, as the host wrote it
	Detail string // the system's words, where it had any
}

// SkipKind says why something was left out.
type SkipKind string

// The kinds of skip. Each is a word that stands in summaries and in JSON.
const (
	SkipPermission  SkipKind = "permission"         // the system refused
	SkipVanished    SkipKind = "vanished"           // it was there when its directory was read, and then not
	SkipNotFound    SkipKind = "not_found"          // a place that the query names literally is not there
	SkipIO          SkipKind = "io_error"           // the system failed to read it
	SkipTooDeep     SkipKind = "too_deep"           // below the bound that protects the agent
	SkipLimit       SkipKind = "over_limit"         // past a bound of the plan
	SkipArchive     SkipKind = "unreadable_archive" // an archive or compressed file that could not be opened whole
	SkipPseudo      SkipKind = "pseudo_filesystem"  // /proc, /sys and their like, which were not named
	SkipSpecial     SkipKind = "special_file"       // a device, whose content is never read unless it is named
	SkipChanged     SkipKind = "changed"            // it changed while it was read
	SkipLoop        SkipKind = "loop"               // a link that leads back to where it came from
	SkipSelf        SkipKind = "self"               // the agent's own process and files
	SkipUnsupported SkipKind = "unsupported"        // this system cannot say
	SkipPolicy      SkipKind = "policy"             // the fleet's policy keeps it from being looked at
	SkipUndecided   SkipKind = "undecided"          // rules were asked of it, and nobody can say of all whether they hold
	SkipAnswer      SkipKind = "partial_answer"     // an answer in a case that was not complete when it was kept
)

// Informative says whether a skip of this kind leaves the answer complete: a
// place that the query names and that is not there was looked for, and is
// named so that a misspelt path is seen; and an agent's own files, which hold
// what was asked for, are no part of what is asked about.
func (k SkipKind) Informative() bool { return k == SkipNotFound || k == SkipSelf }
