package lang

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

// All messages of this package stand here. %q goes around what the user wrote.

func diag(code Code, span Span, message, hint string) Diagnostic {
	return Diagnostic{Code: code, Span: span, Message: message, Hint: hint}
}

func emptySource(end int) Diagnostic {
	return diag(CodeEmptySource, Span{end, end}, "there is no query", "write FIND file /etc/*")
}

func emptyQuery(s Span) Diagnostic {
	return diag(CodeEmptyQuery, s, "there is no query before this semicolon", "remove it")
}

func notUTF8(offset int, text string) Diagnostic {
	hint := "save the file as UTF-8; bytes are written x\"" + strconv.FormatUint(uint64(text[offset]), 16) + "\""
	if offset == 0 && len(text) > 1 && (text[:2] == "\xff\xfe" || text[:2] == "\xfe\xff") {
		hint = "save the file as UTF-8 instead of UTF-16"
	}
	return diag(CodeNotUTF8, Span{offset, offset + 1}, "the source is not UTF-8", hint)
}

func sourceTooLong(n int) Diagnostic {
	return diag(CodeTooLong, Span{}, fmt.Sprintf("the source has %d bytes, more than %d", n, MaxSource), "put long lists in a file and write @file")
}

func tooManyTokens(s Span) Diagnostic {
	return diag(CodeTooManyTokens, s, fmt.Sprintf("the source has more than %d words and signs", MaxTokens), "split it, or put long lists in a file and write @file")
}

func tooDeep(s Span) Diagnostic {
	return diag(CodeTooDeep, s, fmt.Sprintf("parentheses and NOT nest deeper than %d", MaxNesting), "take out parentheses that are not needed")
}

func listTooLong(s Span) Diagnostic {
	return diag(CodeListTooLong, s, fmt.Sprintf("the list has more than %d items", MaxListItems), "put it in a file, one item a line, and write @file")
}

func tooManyQueries(s Span) Diagnostic {
	return diag(CodeTooManyQueries, s, fmt.Sprintf("the source has more than %d queries", MaxQueries), "split it into several files")
}

func controlCharacter(s Span, r rune) Diagnostic {
	return diag(CodeControlCharacter, s, fmt.Sprintf("the invisible character U+%04X has no place in a query", r), `remove it, or write it as an escape in "…"`)
}

func strayCharacter(s Span, r rune) Diagnostic {
	hint := strayHints[r]
	if hint == "" {
		hint = "put text in quotes"
	}
	return diag(CodeStrayCharacter, s, string(r)+" has no meaning here", hint)
}

func unterminatedText(s Span, quote rune) Diagnostic {
	hint := "close it with " + string(quote) + " on the same line"
	return diag(CodeUnterminatedText, Span{s.Start, s.Start + 1}, "this quote is never closed", hint)
}

func badEscape(s Span, text string) Diagnostic {
	return diag(CodeBadEscape, s, fmt.Sprintf("%s is no escape", text), `double the backslash, or use '…' where a backslash is itself`)
}

func smartQuote(s Span, text string) Diagnostic {
	if text == "" {
		return diag(CodeSmartQuote, s, "curly quotes are no quotes here", `put the text between two "`)
	}
	return diag(CodeSmartQuote, s, "curly quotes are no quotes here", "write "+value.NewText(text).Literal())
}

func backquote(s Span) Diagnostic {
	return diag(CodeBackquote, s, "names stand without backquotes", "remove them; text stands in \"…\"")
}

func badBytes(s Span, digits string) Diagnostic {
	message := "bytes are written with the digits 0-9 and a-f"
	if len(digits)%2 == 1 && strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
		message = fmt.Sprintf("bytes need two digits each, and here are %d", len(digits))
	}
	return diag(CodeBadBytes, s, message, `as in x"4d5a"`)
}

func leadingPoint(s Span, word string) Diagnostic {
	return diag(CodeBadNumber, s, fmt.Sprintf("the number %s has no digit before the point", word), "write 0"+word)
}

func numberOverflow(s Span, word string) Diagnostic {
	hint := "the largest whole number is 9223372036854775807"
	if strings.ContainsAny(word, ".eE") {
		hint = "the largest number is 1.79e308"
	}
	return diag(CodeNumberOverflow, s, fmt.Sprintf("the number %s needs more than 64 bits", word), hint)
}

// badUnit speaks of a number with letters behind it that are no unit.
func badUnit(s Span, word string) Diagnostic {
	i := strings.IndexFunc(word, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	num, unit := word[:max(i, 0)], word[max(i, 0):]
	hint := "sizes have B, kB, MB, GB, KiB, MiB, GiB; durations ms, s, m, h, d, w; text stands in quotes"
	switch low := strings.ToLower(unit); {
	case strings.HasPrefix(word, "0x") || strings.HasPrefix(word, "0X"):
		return diag(CodeBadUnit, s, fmt.Sprintf("%q is no number", word), `write it in decimal; bytes are x"`+word[2:]+`"`)
	case low == "y" || strings.HasPrefix(low, "year"):
		hint = "years differ in length: write 365d for one"
	case low == "mo" || strings.HasPrefix(low, "mon"):
		hint = "months differ in length: write 30d for one"
	case low == "k" || low == "g" || low == "t" || unit == "M":
		hint = fmt.Sprintf("write %s%sB (thousands) or %s%siB (of 1024)", num, strings.ToUpper(unit), num, strings.ToUpper(unit))
	case strings.HasPrefix(low, "sec") || strings.HasPrefix(low, "min") || strings.HasPrefix(low, "hour") || strings.HasPrefix(low, "day") || strings.HasPrefix(low, "week"):
		hint = "write " + num + low[:1]
	case strings.HasPrefix(unit, "_"):
		hint = "write " + strings.ReplaceAll(word, "_", "")
	case isKnownUnit(unit):
		return diag(CodeBadUnit, s, fmt.Sprintf("%q is too large, or too fine for its unit", word), "sizes and durations have 63 bits")
	}
	return diag(CodeBadUnit, s, fmt.Sprintf("%q has the unknown unit %q", word, unit), hint)
}

func isKnownUnit(unit string) bool {
	if _, err := value.ParseSize("1" + unit); err == nil {
		return true
	}
	_, err := value.ParseDuration("1" + unit)
	return err == nil
}

func badTime(s Span, word string) Diagnostic {
	return diag(CodeBadTime, s, fmt.Sprintf("there is no time %q", word), "write 2026-11-23 or 2026-11-23T10:00:00Z")
}

func badNetwork(s Span, addr netip.Addr) Diagnostic {
	return diag(CodeBadNetwork, s, "the length of a network is a number of bits", fmt.Sprintf("write %s/%d or less, without a zone", addr.WithZone(""), addr.BitLen()))
}

func foreignOp(s Span, op foreignOperator) Diagnostic {
	return diag(CodeForeignOperator, s, fmt.Sprintf("%q is no operator of this language", op.text), op.hint)
}

func foreignComment(s Span, sign string) Diagnostic {
	return diag(CodeForeignComment, s, fmt.Sprintf("a comment does not begin with %s", sign), "write -- to the end of the line")
}

func unquotedRegex(s Span, word string) Diagnostic {
	if n := len(word); n > 2 && word[0] == '/' && word[n-1] == '/' {
		word = word[1 : n-1]
	}
	return diag(CodeUnquotedRegex, s, "a regular expression stands in quotes", "write "+rawText(word))
}

func badParamName(s Span, name string) Diagnostic {
	if name == "" {
		return diag(CodeBadParameter, s, "a $ needs a name behind it", "write $name; text stands in quotes")
	}
	return diag(CodeBadParameter, s, "a parameter has no braces", "write $"+name)
}

func badListName(s Span) Diagnostic {
	return diag(CodeBadList, s, "an @ needs a file's name right behind it", `write @list.txt or @"my list.txt"`)
}

func startsWithoutWith(s Span, up string) Diagnostic {
	return diag(CodeMisspelt, s, up+" needs WITH", "write "+up+` WITH "text"`)
}

func unclosed(s Span) Diagnostic {
	return diag(CodeUnclosed, s, "this parenthesis is never closed", "write ) where it ends")
}

func unopened(s Span) Diagnostic {
	return diag(CodeUnopened, s, "no parenthesis was opened for this one", "remove it, or write ( where it begins")
}

// misspelt is said of a word; the one behind it belongs to it where the
// keyword has two.
func misspelt(t, behind token, key string) Diagnostic {
	at := t.span
	if _, second, two := strings.Cut(key, " "); two && behind.is(second) {
		at.End = behind.span.End
	}
	return diag(CodeMisspelt, at, fmt.Sprintf("%q does not belong here", t.text), DidYouMean(key))
}

func perAlone(s Span) Diagnostic {
	return diag(CodeMisspelt, s, "PER needs HOST", "write LIMIT 10 PER HOST")
}

func foreignKeyword(t token, hint string) Diagnostic {
	return diag(CodeForeignKeyword, t.span, fmt.Sprintf("this language has no %s", strings.ToUpper(t.text)), hint)
}

func missingFind(s Span, key string) Diagnostic {
	if key == "EXPLAIN" {
		return diag(CodeMissingFind, s, "EXPLAIN needs a query behind it", "write EXPLAIN FIND file /etc/*")
	}
	return diag(CodeMissingFind, s, "the query does not say what to look for", "write FIND file /etc/*, or another module")
}

func noFind(s Span, text string) Diagnostic {
	hint := "write FIND file /etc/*"
	if r, _ := utf8.DecodeRuneInString(text); r >= 'a' && r <= 'z' {
		hint = "write FIND " + short(text)
	}
	return diag(CodeMissingFind, s, "a query begins with FIND or FROM", hint)
}

func missingModule(after token, locator string) Diagnostic {
	hint := "write FIND file /etc/*, FIND process or another module"
	if locator != "" {
		hint = "write FIND file " + short(locator)
	}
	return diag(CodeMissingModule, after.span, "FIND needs a module behind it", hint)
}

func unjoined(s Span, hint string) Diagnostic {
	return diag(CodeUnjoined, s, "two FINDs need AND or OR between them", hint)
}

func joinedToNothing(join token) Diagnostic {
	return diag(CodeMissingFind, join.span, join.text+" has no FIND before it", "remove it, or write a FIND before it")
}

func notBeforeFind(s Span, find string) Diagnostic {
	return diag(CodeUnjoined, s, "NOT stands behind "+find+", not before it", "write "+find+" NOT")
}

func clauseTwice(s Span, key, other string) Diagnostic {
	switch {
	case key != other && other != "target":
		return diag(CodeClauseTwice, s, fmt.Sprintf("a FIND has %s or %s, not both", other, key), "remove one of them")
	case key == "WHERE" || key == "HAVING":
		return diag(CodeClauseTwice, s, key+" stands here twice", "join the conditions with AND")
	}
	return diag(CodeClauseTwice, s, key+" stands here twice", "keep one of them")
}

func clauseOrder(s Span, key, later string) Diagnostic {
	order := "FIND, WHERE, RETURN or STACK, GROUP BY, HAVING, ORDER BY, LIMIT, EVERY, WITH"
	if clauseRank(key) < clauseRank("FIND") {
		order = "EXPLAIN, PARAM, LET, FROM, FIND"
	}
	if later == "target" {
		later = "WHERE"
	}
	return diag(CodeClauseOrder, s, fmt.Sprintf("%s belongs before %s", key, later), "the order is "+order)
}

func whereAfterCondition(s Span) Diagnostic {
	return diag(CodeClauseTwice, s, "the condition has begun before this WHERE", "write AND in its place")
}

func whereWithoutFrom(s Span) Diagnostic {
	return diag(CodeClauseOrder, s, "WHERE belongs behind FROM or FIND", "write FROM fleet WHERE …, or put it after FIND")
}

func missingWhere(s Span, cond string) Diagnostic {
	return diag(CodeMissingWhere, s, "a condition needs WHERE before it", "write WHERE "+short(cond))
}

func quote(s string) string { return strconv.Quote(s) }

// rawText writes a text in the quotes where a backslash is itself.
func rawText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// maxShort is how many characters of the user's own text a hint repeats.
const maxShort = 50

func short(s string) string {
	r := []rune(s)
	if len(r) <= maxShort {
		return s
	}
	return string(r[:maxShort]) + "…"
}
