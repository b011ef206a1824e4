package planner

import "github.com/quaestor-engine/quaestor/lang"

// The codes of the mistakes and doubts that Compile finds. The comment of each
// holds a query that gives it, asked of a catalogue with the modules file and
// host; a test holds them to it.
const (
	// CodeUnknownModule: FIND fiel /etc/**
	CodeUnknownModule lang.Code = "unknown-module"
	// CodeUnknownColumn: FIND file /etc/** WHERE mtme > now - 2d
	CodeUnknownColumn lang.Code = "unknown-column"
	// CodeUnknownFact: FROM local WHERE oss = linux FIND host
	CodeUnknownFact lang.Code = "unknown-fact"
	// CodeUnknownFunction: FIND file /etc/** WHERE lowr(name) = "a"
	CodeUnknownFunction lang.Code = "unknown-function"
	// CodeUnknownSetting: FIND file /etc/** WITH dpth = 2
	CodeUnknownSetting lang.Code = "unknown-setting"
	// CodeUnknownParameter: FIND file /etc/** WHERE mtime > now - $since
	CodeUnknownParameter lang.Code = "unknown-parameter"
	// CodeUnknownType: PARAM since durashun = 2d FIND file /etc/** WHERE mtime > now - $since
	CodeUnknownType lang.Code = "unknown-type"
	// CodeDeclaredTwice: PARAM a int = 1 LET a = 2 FIND file /etc/** WHERE uid = $a
	CodeDeclaredTwice lang.Code = "declared-twice"
	// CodeParameterWithoutValue: PARAM since duration FIND file /etc/** WHERE mtime > now - $since
	CodeParameterWithoutValue lang.Code = "parameter-without-value"
	// CodeBadParameterValue has no example of a line: a --set whose text does not fit the parameter's type.
	CodeBadParameterValue lang.Code = "bad-parameter-value"
	// CodeAliasTwice: FIND file /etc/** a, file /usr/** a WHERE a.size > 1
	CodeAliasTwice lang.Code = "alias-twice"
	// CodeUnusedAlias: FIND file /etc/** passwd
	CodeUnusedAlias lang.Code = "unused-alias"
	// CodeAmbiguousColumn: FIND file /etc/* a, file /usr/* b WHERE a.size = b.size AND size > 1
	CodeAmbiguousColumn lang.Code = "ambiguous-column"
	// CodeAmbiguousContent: FIND file /etc/* a, file /usr/* b WHERE a.size = b.size AND CONTAINS "x"
	CodeAmbiguousContent lang.Code = "ambiguous-content"
	// CodeNoContent: FIND host CONTAINS "x"
	CodeNoContent lang.Code = "no-content"
	// CodeNotALink: FIND file /etc/** WHERE name.size > 1
	CodeNotALink lang.Code = "not-a-link"
	// CodeLinkNowhere has no example of a line: a link to a module that the catalogue does not have.
	CodeLinkNowhere lang.Code = "link-nowhere"
	// CodeMissingNeedsLink: FIND file /etc/** WHERE name IS MISSING
	CodeMissingNeedsLink lang.Code = "missing-needs-link"
	// CodeColumnElsewhere has no example of a line: a column that this system does not have.
	CodeColumnElsewhere lang.Code = "column-elsewhere"
	// CodeColumnAsText: FIND process p, file /usr/bin/* f WHERE f.path GLOB p.exe
	CodeColumnAsText lang.Code = "column-as-text"

	// CodeTypeMismatch: FIND file /etc/** WHERE size > "big"
	CodeTypeMismatch lang.Code = "type-mismatch"
	// CodeNotACondition: FIND file /etc/** WHERE size
	CodeNotACondition lang.Code = "not-a-condition"
	// CodeNotConstant: FIND file /etc/** WHERE name CONTAINS ("a", owner)
	CodeNotConstant lang.Code = "not-constant"
	// CodeNeedsQuotes: FROM local WHERE hostname = web-01 FIND host
	CodeNeedsQuotes lang.Code = "needs-quotes"
	// CodeNotText: FIND file /etc/** WHERE size LIKE "1%"
	CodeNotText lang.Code = "not-text"
	// CodeNoCaseOnOther: FIND file /etc/** WHERE size IN (1, 2) NOCASE
	CodeNoCaseOnOther lang.Code = "nocase-on-other"
	// CodeUnordered: FIND file /etc/** WHERE suid > true
	CodeUnordered lang.Code = "unordered"
	// CodeComparedWithNull: LET a = null FIND file /etc/** WHERE owner = $a
	CodeComparedWithNull lang.Code = "compared-with-null"
	// CodeNeverThatValue: FIND file /etc/** WHERE type = fil
	CodeNeverThatValue lang.Code = "never-that-value"
	// CodeAddressWithNetwork: FROM local WHERE 10.0.0.1 = 10.0.0.0/8 FIND host
	CodeAddressWithNetwork lang.Code = "address-with-network"
	// CodeBadPattern: FIND file /etc/** WHERE name MATCHES "a(b"
	CodeBadPattern lang.Code = "bad-pattern"
	// CodeEmptyPattern: FIND file /etc/** CONTAINS ""
	CodeEmptyPattern lang.Code = "empty-pattern"
	// CodePatternNotConstant: FIND file /etc/** WHERE name MATCHES owner
	CodePatternNotConstant lang.Code = "pattern-not-constant"
	// CodeWrongArguments: FIND file /etc/** WHERE lower(size) = "a"
	CodeWrongArguments lang.Code = "wrong-arguments"
	// CodeWrongCount: FIND file /etc/** WHERE lower(name, 1) = "a"
	CodeWrongCount lang.Code = "wrong-count"
	// CodeInNeedsList: LET a = lower("x") FIND file /etc/** WHERE name IN $a
	CodeInNeedsList lang.Code = "in-needs-list"
	// CodeTupleWidth: FIND file /etc/** WHERE (name, size) IN ((1, 2, 3), (4, 5, 6))
	CodeTupleWidth lang.Code = "tuple-width"
	// CodeNullInList: FIND file /etc/** WHERE owner IN ("root", null)
	CodeNullInList lang.Code = "null-in-list"
	// CodeMisplaced: FIND file /etc/** WHERE (name, size)
	CodeMisplaced lang.Code = "misplaced"

	// CodeUnreadableList: FIND file /etc/** WHERE sha256 IN @no-such-list.txt
	CodeUnreadableList lang.Code = "unreadable-list"
	// CodeEmptyList has no example of a line: a list file without an entry.
	CodeEmptyList lang.Code = "empty-list-file"
	// CodeListTooLong has no example of a line: a list file over its bound.
	CodeListTooLong lang.Code = "list-file-too-long"
	// CodeBadListLine has no example of a line: an entry that does not fit its column.
	CodeBadListLine lang.Code = "bad-list-line"

	// CodeUnreadableCase: FROM case("shop-2026") FIND answer
	CodeUnreadableCase lang.Code = "unreadable-case"
	// CodeCaseTarget: FROM case("shop-2026") WHERE os = linux FIND answer
	CodeCaseTarget lang.Code = "case-target"

	// CodeLocatorMissing: FIND file WHERE size > 1
	CodeLocatorMissing lang.Code = "locator-missing"
	// CodeTakesNoLocator: FIND host /etc
	CodeTakesNoLocator lang.Code = "takes-no-locator"
	// CodeRelativeLocator: FROM fleet FIND file ./etc
	CodeRelativeLocator lang.Code = "relative-locator"
	// CodeLineInWhere: FIND file /etc/** WHERE line CONTAINS "x"
	CodeLineInWhere lang.Code = "line-in-where"
	// CodeLineWithoutQuestion: FIND file /etc/** RETURN path, line
	CodeLineWithoutQuestion lang.Code = "line-without-question"
	// CodeLineElsewhere: FIND file /etc/* a, file /usr/* b WHERE a.size = b.size RETURN b.line
	CodeLineElsewhere lang.Code = "line-elsewhere"

	// CodeBadRule: FIND file /etc/** YARA 'rule evil { condition: $a }'
	CodeBadRule lang.Code = "bad-rule"
	// CodeRulesNotHere has no example of a line: rules asked of a module by others whose content knows none.
	CodeRulesNotHere lang.Code = "rules-not-here"
	// CodeRulesNotText: FIND file /etc/** YARA 5
	CodeRulesNotText lang.Code = "rules-not-text"
	// CodeRuleWithoutRules: FIND file /etc/** RETURN path, yara.rule
	CodeRuleWithoutRules lang.Code = "rule-without-rules"
	// CodeLinesAndRules: FIND file /etc/** CONTAINS "x" AND YARA 'rule evil { condition: true }' RETURN line, yara.rule
	CodeLinesAndRules lang.Code = "lines-and-rules"

	// CodeSubqueryWidth: FIND file /etc/** WHERE name IN (FIND file /usr/* RETURN name, size)
	CodeSubqueryWidth lang.Code = "subquery-width"
	// CodeSubqueryType: FIND file /etc/** WHERE name IN (FIND file /usr/* RETURN size)
	CodeSubqueryType lang.Code = "subquery-type"
	// CodeSubqueryOfGroups: FROM fleet FIND file /etc/* RETURN name, count() GROUP BY name HAVING name IN (FIND file /usr/* RETURN name)
	CodeSubqueryOfGroups lang.Code = "subquery-of-groups"
	// CodeSubqueryTooDeep has no example of a line: subqueries in subqueries over their bound.
	CodeSubqueryTooDeep lang.Code = "subquery-too-deep"

	// CodeAggregateMisplaced: FIND file /etc/** WHERE count() > 1
	CodeAggregateMisplaced lang.Code = "aggregate-misplaced"
	// CodeNotGrouped: FIND file /etc/** RETURN owner, count()
	CodeNotGrouped lang.Code = "not-grouped"
	// CodeGroupWithoutReturn: FIND file /etc/** GROUP BY owner
	CodeGroupWithoutReturn lang.Code = "group-without-return"
	// CodeStackGrouped: FIND file /etc/** STACK owner GROUP BY name
	CodeStackGrouped lang.Code = "stack-grouped"
	// CodeGroupPerHost: FIND file /etc/** STACK owner LIMIT 3 PER HOST
	CodeGroupPerHost lang.Code = "group-per-host"
	// CodeNotANumber: FIND file /etc/** RETURN sum(name)
	CodeNotANumber lang.Code = "not-a-number"
	// CodeListLength: FIND file /etc/** RETURN list(name, 0)
	CodeListLength lang.Code = "list-length"
	// CodeOutputTwice: FIND file /etc/** RETURN name, name
	CodeOutputTwice lang.Code = "output-twice"
	// CodeOrderByNumber: FIND file /etc/** RETURN name ORDER BY 1
	CodeOrderByNumber lang.Code = "order-by-number"
	// CodeOrderNotReturned: FIND file /etc/** RETURN DISTINCT name ORDER BY size
	CodeOrderNotReturned lang.Code = "order-not-returned"
	// CodeNegativeLimit: PARAM n int = 0 - 1 FIND file /etc/** LIMIT $n
	CodeNegativeLimit lang.Code = "negative-row-limit"

	// CodeSettingOutOfRange: FIND file /etc/** WITH depth = 99999
	CodeSettingOutOfRange lang.Code = "setting-out-of-range"
	// CodeSettingTwice: FIND file /etc/** WITH depth = 1, depth = 2
	CodeSettingTwice lang.Code = "setting-twice"
	// CodeBadPeriod: FIND file /etc/** EVERY 10ms
	CodeBadPeriod lang.Code = "bad-period"
	// CodeBadWatch: WATCH host
	CodeBadWatch lang.Code = "bad-watch"
	// CodeNeedsAgent: FIND file /etc/** WITH cpu = 10
	CodeNeedsAgent lang.Code = "needs-agent"
	// CodeNestedTooDeep has no example of a line: a sum of more terms than its bound.
	CodeNestedTooDeep lang.Code = "nested-too-deep"
	// CodeTooManyFinds has no example of a line: more FINDs than their bound.
	CodeTooManyFinds lang.Code = "too-many-finds"
	// CodeTooManyScans has no example of a line: a join of more modules than its bound.
	CodeTooManyScans lang.Code = "too-many-scans"
	// CodeTooManyQuestions has no example of a line: more CONTAINS and MATCHES than their bound.
	CodeTooManyQuestions lang.Code = "too-many-questions"
	// CodeNotYet: FIND file /etc/** WITH expires = 10
	CodeNotYet lang.Code = "not-yet"
	// CodeNotPlanned has no example of a line: a query that passed every check and gave no plan.
	CodeNotPlanned lang.Code = "not-planned"
)

// The codes of warnings: the query runs.
const (
	// CodeUnusedName: PARAM a int = 1 FIND file /etc/**
	CodeUnusedName lang.Code = "unused-name"
	// CodeBareWord: FIND file /etc/** WHERE name = ownr
	CodeBareWord lang.Code = "bare-word"
	// CodeConstantCondition: FIND file /etc/** WHERE 1 = 2
	CodeConstantCondition lang.Code = "constant-condition"
	// CodeEmptyRange: FIND file /etc/** WHERE size BETWEEN 10 AND 1
	CodeEmptyRange lang.Code = "empty-range"
	// CodeLeadingDotStar: FIND file /etc/** MATCHES ".*root"
	CodeLeadingDotStar lang.Code = "leading-dot-star"
	// CodeGlobWithPercent: FIND file /etc/** WHERE name GLOB "%.so"
	CodeGlobWithPercent lang.Code = "glob-with-percent"
	// CodeGlobOfNoPath: FIND file /etc/** WHERE path GLOB "*.conf"
	CodeGlobOfNoPath lang.Code = "glob-of-no-path"
	// CodeConstantKey: FIND file /etc/** STACK "owner"
	CodeConstantKey lang.Code = "constant-key"
	// CodeContentReturned: FIND file /etc/* RETURN path, content
	CodeContentReturned lang.Code = "content-returned"
	// CodeWalksEverything: FIND file /**
	CodeWalksEverything lang.Code = "walks-everything"
)
