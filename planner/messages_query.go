package planner

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/value"
)

// The messages about lists, places, groups and settings; those about names
// and types are in messages.go.

func noLists(ref *lang.ListRef) lang.Diagnostic {
	return problem(CodeUnreadableList, ref.Span(), "", "there are no list files here")
}

func unreadableList(ref *lang.ListRef, err error) lang.Diagnostic {
	hint := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) {
		hint = fmt.Sprintf("%v; a list is looked for from the folder of the query file: %s", path.Err, path.Path)
	}
	return problem(CodeUnreadableList, ref.Span(), hint, "the list @%s cannot be read", ref.Path)
}

func emptyList(at lang.Span) lang.Diagnostic {
	return problem(CodeEmptyList, at, "one entry a line; blank lines and lines that begin with # do not count", "the list has no entry")
}

func listTooLong(ref *lang.ListRef, what string) lang.Diagnostic {
	return problem(CodeListTooLong, ref.Span(), "split it over several queries", "the list @%s has %s", ref.Path, what)
}

func badListLine(ref *lang.ListRef, line int, text string, err error) lang.Diagnostic {
	return problem(CodeBadListLine, ref.Span(), trimError(err), "line %d of @%s does not fit: %s", line, ref.Path, quoted(text))
}

func moreListProblems(ref *lang.ListRef, n int) lang.Diagnostic {
	return problem(CodeBadListLine, ref.Span(), "", "%d more of the lines of @%s do not fit", n, ref.Path)
}

func someSizes(ref *lang.ListRef, sizes, all int) lang.Diagnostic {
	return problem(CodeBadListLine, ref.Span(), "give every hash its size, or none", "%d of the %d entries of @%s have a size", sizes, all, ref.Path)
}

func sizesWithoutColumn(ref *lang.ListRef) lang.Diagnostic {
	return problem(CodeBadListLine, ref.Span(), "leave the sizes out", "@%s gives sizes, and there is no column size beside the hash", ref.Path)
}

func unreadableCase(at lang.Span, why string) lang.Diagnostic {
	why, hint, _ := strings.Cut(why, "\nhint: ")
	return problem(CodeUnreadableCase, at, hint, "the case cannot be asked: %s", why)
}

func caseTarget(at lang.Span) lang.Diagnostic {
	return problem(CodeCaseTarget, at, "write the condition behind FIND answer: WHERE host = …", "a case has rows, and no hosts to choose")
}

func locatorMissing(s *lang.Scan, schema *modules.Schema, joined bool) lang.Diagnostic {
	hint := "say where: FIND " + schema.Name + " " + schema.Locator.Example
	if joined && schema.Key != "" {
		hint += fmt.Sprintf(", or tell it from another scan: WHERE %s.%s = …, or GLOB …", aliasOf(s), schema.Key)
	}
	return problem(CodeLocatorMissing, s.Span(), hint, "%s does not know where to look", schema.Name)
}

func aliasOf(s *lang.Scan) string {
	if s.Alias != nil {
		return s.Alias.Name
	}
	return s.Module.Name
}

func takesNoLocator(at lang.Span, module string) lang.Diagnostic {
	return problem(CodeTakesNoLocator, at, "leave it out", "%s cannot be told where to look", module)
}

func relativeLocator(at lang.Span, text string) lang.Diagnostic {
	return problem(CodeRelativeLocator, at, "begin with a / or a drive", "%q is relative, and other hosts are in no folder", text)
}

func lineInWhere(n lang.Ident) lang.Diagnostic {
	if strings.HasPrefix(n.Name, "yara.") {
		return problem(CodeLineInWhere, n.Span(), "ask other rules, or count them: RETURN "+n.Name+", count() GROUP BY "+n.Name, "%s speaks of the rules that hold, and cannot choose files", n.Name)
	}
	return problem(CodeLineInWhere, n.Span(), "to choose files by their lines write ANY LINE …; "+n.Name+" can be returned", "%s speaks of the lines that matched, and cannot choose them", n.Name)
}

func lineWithoutQuestion(at lang.Span) lang.Diagnostic {
	return problem(CodeLineWithoutQuestion, at, `ask which: CONTAINS "…", MATCHES '…' or ANY LINE …`, "no condition says which lines are meant")
}

// lineElsewhere is of a line of a scan that another one goes before. First: it
// stands first, and has to wait for what tells it where to look.
func lineElsewhere(at lang.Span, name string, first bool) lang.Diagnostic {
	hint := "put the scan whose lines are wanted first"
	if first {
		hint = "say where it is to look, with a path or a glob behind the module"
	}
	return problem(CodeLineElsewhere, at, hint, "%s can be returned of the first scan only", name)
}

func lineInSubquery(at lang.Span) lang.Diagnostic {
	return problem(CodeMisplaced, at, "use a list: ANY LINE IN @list", "lines cannot be looked up in a subquery")
}

func subqueryOfFacts(at lang.Span) lang.Diagnostic {
	return problem(CodeMisplaced, at, "ask it of the host: FIND … AND FIND …", "hosts are chosen by their facts, before anything is looked up on them")
}

func subqueryOfGroups(at lang.Span) lang.Diagnostic {
	return problem(CodeSubqueryOfGroups, at, "ask it of the rows, before they are grouped: WHERE … IN (FIND …)", "groups are of all hosts together, and a subquery is asked on each")
}

func subqueryWidth(at lang.Span, got, want int) lang.Diagnostic {
	return problem(CodeSubqueryWidth, at, "name them: RETURN …", "the subquery returns %d columns where %d are looked up", got, want)
}

func subqueryType(at lang.Span, name string, got value.Type, other string, want value.Type) lang.Diagnostic {
	return problem(CodeSubqueryType, at, "", "the subquery's %s is %s, and %s is %s", name, article(got), other, article(want))
}

func subqueryTooDeep(at lang.Span) lang.Diagnostic {
	return problem(CodeSubqueryTooDeep, at, "split the query", "more than %d subqueries stand in each other", maxSubqueries)
}

func aggregateMisplaced(e *lang.Call) lang.Diagnostic {
	return problem(CodeAggregateMisplaced, e.Span(), "groups are chosen by HAVING: … GROUP BY owner HAVING count() > 1", "%s() is of a group and cannot choose rows", e.Name.Name)
}

func notGrouped(n *lang.Name, name string, stack bool) lang.Diagnostic {
	add := "add GROUP BY " + name
	if stack {
		add = "stack it, too: STACK …, " + name
	}
	return problem(CodeNotGrouped, n.Span(), add+", or take one of its values: any("+name+")", "%s differs within a group", name)
}

func stackGrouped(at lang.Span) lang.Diagnostic {
	return problem(CodeStackGrouped, at, "leave GROUP BY out: STACK name, owner makes a group of each pair", "STACK makes groups by itself")
}

func groupPerHost(at lang.Span) lang.Diagnostic {
	return problem(CodeGroupPerHost, at, "leave PER HOST out", "a group is of all hosts together, and no host has its own first ones")
}

func groupWithoutReturn(at lang.Span) lang.Diagnostic {
	return problem(CodeGroupWithoutReturn, at, "add RETURN owner, count() before GROUP BY owner, or write STACK owner", "GROUP BY does not say what to return of each group")
}

func notANumber(e *lang.Call, t value.Type) lang.Diagnostic {
	return problem(CodeNotANumber, e.Span(), "", "%s is of numbers, sizes or durations, not of %s", e.Name.Name, t)
}

func listLength(at lang.Span) lang.Diagnostic {
	return problem(CodeListLength, at, fmt.Sprintf("write 1 to %d", maxListed), "list cannot keep so many")
}

func outputTwice(at lang.Span, name string) lang.Diagnostic {
	return problem(CodeOutputTwice, at, "give one another name: "+name+" AS other", "two columns are called %q", name)
}

func orderByNumber(l lang.Expr) lang.Diagnostic {
	return problem(CodeOrderByNumber, l.Span(), "name the column", "%s is the same for every row", nodeText(l))
}

func constantKey(l *lang.Literal) lang.Diagnostic {
	hint := "name a column"
	if l.Value.Type() == value.Text {
		hint = "for the column leave the quotes out"
	}
	return problem(CodeConstantKey, l.Span(), hint, "%s is the same for every row, so all are one group", nodeText(l))
}

func orderNotReturned(at lang.Span, text string) lang.Diagnostic {
	return problem(CodeOrderNotReturned, at, "return it, or leave DISTINCT out", "%s is not returned, so distinct rows have no place by it", text)
}

func negativeLimit(at lang.Span) lang.Diagnostic {
	return problem(CodeNegativeLimit, at, "", "a limit cannot be negative")
}

func settingOutOfRange(w *lang.Setting, s *Setting) lang.Diagnostic {
	return problem(CodeSettingOutOfRange, w.Value.Span(), "it may be "+s.Range(), "%s cannot be %s", s.Name, nodeText(w.Value))
}

func settingTwice(n lang.Ident) lang.Diagnostic {
	return problem(CodeSettingTwice, n.Span(), "leave one out", "%s is set twice", n.Name)
}

func periodOutOfRange(e lang.Expr) lang.Diagnostic {
	hint := "it may be " + value.FormatDuration(minPeriod) + " to " + value.FormatDuration(maxPeriod)
	return problem(CodeBadPeriod, e.Span(), hint, "EVERY cannot be %s", nodeText(e))
}

func everyCase(at lang.Span) lang.Diagnostic {
	return problem(CodeBadPeriod, at, "ask it without EVERY", "what a case keeps does not change while it is asked")
}

func badRounds(at lang.Span, hint, what string) lang.Diagnostic {
	return problem(CodeBadPeriod, at, hint, "%s", what)
}

func badWatch(at lang.Span, hint, what string) lang.Diagnostic {
	return problem(CodeBadWatch, at, hint, "%s", what)
}

func notYet(at lang.Span, what string) lang.Diagnostic {
	return problem(CodeNotYet, at, "", "%s is part of the language and cannot run yet", what)
}

func needsAgent(n lang.Ident) lang.Diagnostic {
	return problem(CodeNeedsAgent, n.Span(), "ask FROM fleet, or leave it out", "WITH %s needs an agent", n.Name)
}

func notPlanned(at lang.Span, err error) lang.Diagnostic {
	return problem(CodeNotPlanned, at, "this is a fault of quaestor's: please report the query", "the query gave no plan: %v", err)
}

func nestedTooDeep(at lang.Span) lang.Diagnostic {
	return problem(CodeNestedTooDeep, at, "for many texts write concat(a, b, …)", "more than %d expressions stand in each other", maxDepth)
}

func tooManyFinds(at lang.Span, n int) lang.Diagnostic {
	return problem(CodeTooManyFinds, at, "ask several queries", "the query has %d FINDs, more than %d", n, maxFinds)
}

func tooManyScans(at lang.Span, n int) lang.Diagnostic {
	return problem(CodeTooManyScans, at, "join fewer modules", "%d modules are joined, more than %d", n, maxScans)
}

func tooManyQuestions(at lang.Span) lang.Diagnostic {
	return problem(CodeTooManyQuestions, at, `put them into a list: CONTAINS ("a", "b"), or CONTAINS @list`, "more than %d questions are asked of one content", search.MaxPatterns)
}

func unusedName(n lang.Ident, what string) lang.Diagnostic {
	return problem(CodeUnusedName, n.Span(), "use it as $"+n.Name+", or leave it out", "nothing uses the %s %q", what, n.Name)
}

func bareWordNearColumn(n lang.Ident, near string) lang.Diagnostic {
	return problem(CodeBareWord, n.Span(), fmt.Sprintf("did you mean the column %s? for text write %q", near, n.Name), "%s is taken as text", n.Name)
}

func wordIsColumn(n *lang.Name, closed *modules.Column) lang.Diagnostic {
	return problem(CodeBareWord, n.Span(), fmt.Sprintf("%s is %s", closed.Name, listed(closed.Values)), "%s is taken as the column of that name", nameText(n))
}

func constantCondition(at lang.Span, v value.Value) lang.Diagnostic {
	word := "never"
	if v.Bool() {
		word = "always"
	}
	return problem(CodeConstantCondition, at, "", "this is %s true", word)
}

func leadingDotStar(at lang.Span, p string) lang.Diagnostic {
	return problem(CodeLeadingDotStar, at, "leave the .* out: a regular expression may match anywhere", "%s begins with .*, which only costs time", quoted(p))
}

func globWithPercent(at lang.Span, p string) lang.Diagnostic {
	return problem(CodeGlobWithPercent, at, "for % and _ write LIKE; GLOB has * and ?", "%s holds a %% that GLOB takes literally", quoted(p))
}

func contentReturned(at lang.Span, text string) lang.Diagnostic {
	return problem(CodeContentReturned, at, "return line for the lines that matched", "%s brings whole contents back", text)
}

// globOfNoPath is of a glob that a whole path does not match.
func globOfNoPath(at lang.Span, glob string) lang.Diagnostic {
	hint := fmt.Sprintf("for any folder write %q", "**/"+strings.TrimPrefix(glob, "./"))
	return problem(CodeRelativeLocator, at, hint, "paths begin with a / or a drive, and %q does not", glob)
}

func walksEverything(at lang.Span) lang.Diagnostic {
	return problem(CodeWalksEverything, at, "name a folder, or add WITH depth = 3", "this walks the whole machine")
}

func rulesNotHere(at lang.Span, module string) lang.Diagnostic {
	return problem(CodeRulesNotHere, at, "file and memory have", "%s has no content that rules could be asked of", module)
}

func noCaseOnRules(at lang.Span) lang.Diagnostic {
	return problem(CodeRulesNotText, at, "write nocase behind the strings that it is meant of", "rules say for themselves which strings are compared without regard to case")
}

func rulesNotText(y lang.Expr) lang.Diagnostic {
	return problem(CodeRulesNotText, y.Span(), "write YARA @rules.yar, or YARA 'rule name { … }'", "%s is no rules: they are a file or a text", nodeText(y))
}

func rulesNotRead(at lang.Span, name string, err error) lang.Diagnostic {
	return problem(CodeBadRule, at, trimError(err), "%s cannot be read as rules", name)
}

func rulesTooLong(at lang.Span, name string, n, most int) lang.Diagnostic {
	return problem(CodeBadRule, at, "ask them in several queries", "%s has %d bytes of rules, more than %d", name, n, most)
}

func noRules(at lang.Span, name string) lang.Diagnostic {
	return problem(CodeBadRule, at, "write rule name { … }", "%s has no rule", name)
}

// badRule tells of a mistake in rules: where they stand in the query with
// carets below it, and otherwise with its place and its line.
func badRule(at lang.Span, d yara.Diagnostic, here bool) lang.Diagnostic {
	if here {
		return problem(CodeBadRule, at, d.Hint, "%s", d.Message)
	}
	line, column := d.Position()
	hint := strings.TrimSpace(d.Line())
	if len(hint) > maxShownRule {
		hint = hint[:maxShownRule] + "…"
	}
	if d.Hint != "" {
		hint = strings.TrimSpace(d.Hint + ": " + hint)
	}
	return problem(CodeBadRule, at, value.NewText(hint).String(), "%s:%d:%d: %s", d.Source.Name, line, column, d.Message)
}

// maxShownRule is how much of a line of rules a message shows, in bytes.
const maxShownRule = 100

func moreBadRules(at lang.Span, name string, n int) lang.Diagnostic {
	return problem(CodeBadRule, at, "", "%s has %d more mistakes", name, n)
}

func ruleWithoutRules(at lang.Span) lang.Diagnostic {
	return problem(CodeRuleWithoutRules, at, "ask some: YARA @rules.yar", "no condition says which rules are meant")
}

func linesAndRules(at lang.Span) lang.Diagnostic {
	return problem(CodeLinesAndRules, at, "ask twice, or leave one of them out", "a row is a line that matched or a rule that holds, and not both")
}
