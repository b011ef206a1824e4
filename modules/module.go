// Package modules says what a module is: a relation, named columns over
// something that lives on a host, that is looked at only as far as a query
// asks.
//
// A newcomer who wants to add one needs [Module] (two methods) and [Schema].
// More ability is discovered by assertion: a [Row] that can answer questions
// about its content is an [Asker], one that can show the lines that answered
// is a [Liner], a module that can serve several requests in one pass is a
// [Sharer], and one that can report changes as they happen a [Watcher]. The modules that come with Quaestor are listed in modules/std;
// modules/moduletest checks them and yours.
//
// A module recognises and parses. It must not decide what a query means
// (package planner does), must not reach for the host except through
// [Request.Host], must never write, and must not hide what it could not look
// at: that goes to [Report.Skip].
package modules

import (
	"context"
	"time"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/value"
)

// A Module answers questions about one kind of thing on a host.
type Module interface {
	// Schema describes the relation. It is the same on every system, has no
	// side effects and must not be changed by the caller.
	Schema() *Schema

	// Scan calls yield once for each row that the request locates. With
	// Request.Workers over one it may call yield from so many goroutines at
	// once, all of which have ended when Scan returns. A row, and every value
	// taken from it, is valid until yield returns: see value.Value.Clone.
	//
	// What could not be looked at goes to Request.Report and the scan goes
	// on. An error from yield, or a cancelled context, ends the scan within a
	// second and is returned; any other error means that the scan as a whole
	// could not be done.
	Scan(ctx context.Context, req *Request, yield func(Row) error) error
}

// A Row is one thing that a scan found.
type Row interface {
	// Column gives the i-th column of the schema, computed when it is first
	// asked for and remembered for as long as the row is valid. A column
	// that has no value here, or that could not be looked at (which has then
	// been reported), is null. An error ends the scan.
	Column(ctx context.Context, i int) (value.Value, error)
}

// An Asker is a Row that answers questions about its content.
type Asker interface {
	Row
	// Ask answers Request.Questions[q] with a bool, or with null where there
	// is no content to ask or it could not be read whole.
	Ask(ctx context.Context, q int) (value.Value, error)
}

// A Liner is an Asker that can show where its content answered.
type Liner interface {
	Asker
	// Lines calls yield once for each line in which a question marked Show
	// was answered with yes, in the order of the content. While yield runs,
	// the row's line columns speak of that line.
	Lines(ctx context.Context, yield func(Row) error) error
}

// A Sharer is a Module that can serve several requests in one pass over what
// they have in common.
type Sharer interface {
	Module
	// ScanShared is Scan for several requests at once: yield gets the index
	// of the request that a row belongs to. An error from yield ends the
	// scan of all, except [ErrEnough], which ends that request alone.
	ScanShared(ctx context.Context, reqs []*Request, yield func(req int, row Row) error) error
}

// A Request says what a scan is to look at and how far it may go.
type Request struct {
	// Host is the machine, or a tree that stands for one.
	Host Host
	// Locators are the places to look at, in the module's own notation; any
	// of them. Empty means everything, where the schema allows that.
	Locators []string
	// Keys, when not nil, replaces Locators: the rows whose key column
	// equals one of them, each taken literally, and nothing below them.
	Keys []value.Value
	// Columns are the columns that may be asked for, as indexes into the
	// schema; Filter those among them that decide whether a row is wanted.
	Columns, Filter []int
	// Only are values that columns must have, all of them: rows of others will
	// be thrown away, so a scan need not look for them. It may.
	Only []Restriction
	// Questions about the content of each row, for Asker.Ask.
	Questions []Question
	// Settings bound the scan.
	Settings Settings
	// Workers is how many goroutines may call yield at once; at least 1.
	Workers int
	// Report takes what was looked at and what was not. Never nil.
	Report Report
	// Memory is shared by the scans of one run; nil for none.
	Memory *Memory
	// Permit, where not nil, is asked by a module that Sends before anything
	// goes to a place: /PROTOCOL/ADDRESS/PORT, as a path, with the address
	// that a name stands for. Where it gives a kind of skip, nothing is sent.
	Permit func(place string) SkipKind
}

// A Restriction says that rows matter only where a column equals one of some
// values.
type Restriction struct {
	Column int // of the schema
	Values []value.Value
}

// Host is how a module sees a machine, so that a tree of fixtures, or a
// mounted image, is as good as a live one.
type Host struct {
	// Root is put before every path; "" or "/" is the live machine.
	Root string
	// Now is the time that the query calls now. Never nil.
	Now func() time.Time
	// Deny, where not nil, says of an absolute, clean path whether whoever
	// rules the host keeps it from being looked at, by any module and for any
	// reason. Package hostfs asks it of every path that it is given, and of
	// where that leads.
	Deny func(path string) bool
	// Allow, where not nil, says of the real path of what a query's places
	// lead to whether it may be looked at. Module file asks it of what it
	// would show; of the rows of others whoever runs the engine asks by itself.
	Allow func(path string) bool
	// Own, where not nil, says of the real path of what a query's places lead
	// to whether it is the agent's own folder or in it, which is no part of
	// what is asked about. Module file asks it of what it would go into; of the
	// rows of others whoever runs the engine asks by itself.
	Own func(path string) bool
	// Self tells what the program that looks knows of itself beyond its
	// process, as an agent does; nil: it is no agent.
	Self func() Self
	// Agent, where not 0, is the process of the agent for which this one
	// looks: it and the others that look for it are the agent's own.
	Agent int64
	// Kept holds, by name, what was in files that this process may not open
	// any more; package hostfs gives it in their place.
	Kept map[string][]byte
}

// Self is what an agent says of itself.
type Self struct {
	Agent, Fleet  string // IDs
	Process       int64  // of the agent; 0: the one that looks
	Held          int64  // what it has from the system, in bytes
	FleetName     string
	Software      string    // the version of the program
	Policy        int64     // the version in force
	Relay         string    // that it is connected to
	Started       time.Time // when it took up its work
	Certificate   time.Time // when it expires
	Running       int64     // plans that were accepted and have not ended
	Asked         int64     // plans in the journal, refused ones too
	Refused       int64     // of them
	Last          []string  // IDs of the latest plans in the journal, the newest first
	LastAt        time.Time // when the newest of them was written down
	JournalBytes  int64
	SpoolBytes    int64         // of answers that wait for a relay
	Timeout       time.Duration // this and what follows: the most that a plan may ask for
	Rows          int64
	Bytes, Memory int64
	Workers       int64
	Concurrent    int64  // plans that run at once
	Outcast       string // why the policy takes this agent for no member; "" where it does
	// What became of the latest release of the agent; "" where none was offered.
	Upgrade, UpgradeVersion, UpgradeReason string
}

// A Question asks one thing of a row's content.
type Question struct {
	// Pattern is searched in the whole content, unless Test or Rules is set.
	Pattern search.Pattern
	// Rules are asked of the whole content. Only modules whose schema has the
	// columns yara.* get such a question.
	Rules *Rules
	// Lines asks of each line, without its end, instead of the content.
	Lines LineMode
	// Test decides a single line, where Pattern cannot say it. It is called
	// from several goroutines at once and must not keep the line.
	Test func(line []byte) bool
	// Show marks a question whose matches Liner.Lines shows.
	Show bool
}

// Rules are a text of rules in the language of YARA, whole in itself; package
// modules/yara/asking asks them of a row's content.
type Rules struct {
	Name      string // as the query calls them
	Text      string
	Externals map[string]any // what they name without defining it: int64, float64, bool or string
}

// LineMode says how a question is put to lines.
type LineMode uint8

// The line modes. Content without a line satisfies EveryLine and not AnyLine.
const (
	WholeContent LineMode = iota
	AnyLine
	EveryLine
)

// Settings are the bounds of a scan that a query sets by WITH. Modules ignore
// those that do not concern them.
type Settings struct {
	Depth         int   // levels below a locator's literal front; negative: no bound
	FollowLinks   bool  // follow symbolic links below the front
	OneFilesystem bool  // stay on the file system of the front
	Archives      bool  // look into archives, each member a row
	Decompress    bool  // speak of the content inside gzip, zstd, xz and bzip2
	MaxFileBytes  int64 // content larger than this is left out and counted; 0: no bound
	Context       int   // bytes of a matching line that are shown; 0: the module's default
}
