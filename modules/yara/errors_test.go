package yara

import (
	"strings"
	"testing"
)

// Each text is refused where the mark ~ stands, with these words.
var refused = []struct{ text, words string }{
	{`~`, ""},
	{`rule ~{ condition: true }`, "the name of a rule is missing"},
	{`rule ~for { condition: true }`, `"for" is a word of the language`},
	{`rule x { ~}`, "condition must follow"},
	{`rule x { condition: ~}`, `the condition cannot go on with "}"`},
	{`rule x { condition: true ~or_else }`, "the condition cannot go on"},
	{`rule x { condition: ~y }`, "y is not known"},
	{`rule x { condition: ~x }`, "x is not known"},
	{`rule x { condition: ~$a }`, "the rule has no string $a"},
	{`rule x { strings: ~$a = "b" condition: true }`, "does not name the string $a"},
	{`rule x { strings: $a = ~"" condition: $a }`, "the string $a is empty"},
	{`rule x { strings: $a = "a~\q" condition: $a }`, "a backslash stands before"},
	{"rule x { strings: $a = ~\"a\n condition: $a }", "a text is not closed"},
	{`rule x { strings: $a = "a" $~$a = "b" condition: $a }`, "$a"},
	{`rule x { strings: $a = { 4D ~4 } condition: $a }`, "is no byte"},
	{`rule x { strings: $a = { ~[2] 4D } condition: $a }`, "a jump cannot stand first"},
	{`rule x { strings: $a = { 4D ~[2] } condition: $a }`, "a jump cannot stand last"},
	{`rule x { strings: $a = { 4D [4-2~] 5A } condition: $a }`, "less than its least"},
	{`rule x { strings: $a = { 4D ( 5A | [-~] ) } condition: $a }`, ""},
	{`rule x { strings: $a = { 4D ( 5A ~} condition: $a }`, "an alternative is not closed"},
	{`rule x { strings: $a = { 4D ~?? ~?? } condition: $a }`, ""},
	{`rule x { strings: $a = /a(~?:b)/ condition: $a }`, "(?"},
	{`rule x { strings: $a = /(a)~\1/ condition: $a }`, ""},
	{`rule x { strings: $a = /a*~*/ condition: $a }`, "cannot be repeated"},
	{`rule x { strings: $a = /a~[bc/ condition: $a }`, "a class is not closed"},
	{`rule x { strings: $a = /a{~3,2}/ condition: $a }`, ""},
	{`rule x { strings: $a = /(a(b)~/ condition: $a }`, "a group is not closed"},
	{`rule x { strings: $a = /((a{1,200}){1,200}){1,200}/ condition: $a }`, "too large"},
	{`rule x { strings: $a = /^/ condition: $a }`, "nothing but the empty text"},
	{`rule x { strings: $a = "abc" ~xor nocase condition: $a }`, "xor and nocase do not go together"},
	{`rule x { strings: $a = { 4D 5A } ~wide condition: $a }`, "does not go with { bytes }"},
	{`rule x { strings: $a = /ab/ ~xor condition: $a }`, "does not go with an expression"},
	{`rule x { strings: $a = "abc" base64(~"short") condition: $a }`, "64 characters"},
	{`rule x { strings: $a = ~"ab" base64 condition: $a }`, "three bytes at least"},
	{`rule x { strings: $a = "ab" xor(~300) condition: $a }`, "up to 255"},
	{`rule x { condition: ~"a" + 1 == 2 }`, "+ does not go between a string and an integer"},
	{`rule x { condition: ~"a" == 1 }`, "== does not go between"},
	{`rule x { condition: 1 contains "a" }`, "contains does not go between"},
	{`rule x { condition: "a" matches ~"b" }`, "/regular expression/"},
	{`rule x { condition: ~1 \ 0 == 1 }`, "divides by zero"},
	{`rule x { condition: uint8(~"a") == 1 }`, "an offset is an integer"},
	{`rule x { condition: ~uint8 == 1 }`, "uint8 is not known"},
	{`rule x { condition: ~$ }`, "without a name"},
	{`rule x { strings: $a = "a" condition: ~3 of them }`, "3 are asked for, and there are 1"},
	{`rule x { strings: $a = "a" condition: ~120% of them }`, "a share is from 1% to 100%"},
	{`rule x { condition: any of ~them }`, "it has none"},
	{`rule x { condition: any of (~nobody*) }`, "no rule nobody*"},
	{`rule x { condition: for any i in (1..2) : ( ~j == 1 ) }`, "j is not known"},
	{`rule x { condition: for any i in ~filesize : ( i == 1 ) }`, "a loop cannot go over an integer"},
	{`import ~"cuckoo" rule x { condition: true }`, `the module "cuckoo" is not known`},
	{`rule x { condition: ~pe.machine == 1 }`, "pe is not known"},
	{`rule x : a ~a { condition: true }`, "the tag a stands twice"},
	{`rule x { meta: a = ~b condition: true }`, "a meta line holds"},
	{`rule x { condition: true } rule ~x { condition: true }`, "there are two rules x"},
	{`rule x { variables: ~a = 1 condition: true }`, ""},
	{`rule x { condition: 99999999999999999999 == 1 }`, "does not fit into 64 bits"},
	{`rule x { condition: 12abc == 1 }`, "is no number"},
	{`rule x { condition: true /* }`, "a comment is not closed"},
	{"rule x { condition: ~\x01 }", "has no meaning here"},
	{`rule x { condition: any of (x*) } rule ~xy { condition: true }`, ""},
	{"rule x { condition: " + strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200) + "}", "deep in parentheses"},
	{"rule x { condition: 1" + strings.Repeat("+1", 30_000) + " }", "more than 20000 operators"},
	{"rule x { strings: $a = \"a\" condition: " + strings.Repeat("$a at ", 100_000) + "0 }", "more than 20000 operators"},
	{"rule x { strings: $a = \"a\" condition: " + strings.Repeat("any of them at ", 100_000) + "0 }", "more than 20000 operators"},
	{"rule x { condition: " + strings.Repeat("for all i in (", 100_000), "more than 20000 operators"},
	{"rule x { condition: " + strings.Repeat("for ", 100_000), "more than 20000 operators"},
	{"rule x { condition: for all i in (1" + strings.Repeat(",1", 30_000) + ") : ( true ) }", "more than 20000 operators"},
	{"rule x { condition: " + strings.Repeat("-", 100_000) + "1 }", "deep in parentheses"},
	{"rule x { condition: a" + strings.Repeat("[a", 100_000) + " }", "deep in parentheses"},
	{"rule x { condition: a" + strings.Repeat(".a", 100_000) + " }", "more than 20000 operators"},
	{"rule x { strings: " + strings.Repeat("$ = /(a|bc){2000}/ ", 9_000) + " condition: any of them }", "more than can be kept"},
	{"rule x { condition: " + strings.Repeat("not ", 30_000) + "true }", "deep in parentheses"},
	{"rule x { strings: $a = /" + strings.Repeat("(", 300) + "a" + strings.Repeat(")", 300) + "/ condition: $a }", "deep in one another"},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		if c.words == "" {
			continue
		}
		text, marked := c.text, false
		at := strings.IndexByte(c.text, '~')
		if at >= 0 {
			text, marked = c.text[:at]+c.text[at+1:], true
		}
		_, err := Compile(Source{Name: "x.yar", Text: text}, Options{})
		var e *Error
		if err == nil {
			t.Errorf("%.80s: it was accepted", c.text)
			continue
		}
		e = err.(*Error)
		if d := e.Diagnostics[0]; !strings.Contains(d.Message, c.words) || marked && d.Start != at {
			t.Errorf("%.80s: %d: %s", c.text, d.Start, d)
		}
	}
}

// Several mistakes are told of at once, each with its place.
func TestManyMistakes(t *testing.T) {
	_, err := Compile(Source{Name: "bad.yar", Text: `rule a { condition: nothing }
rule b {
	strings:
		$x = { 4G }
	condition:
		$x
}
rule c { condition: true and }
rule d { condition: "ä" == 1 }
`}, Options{})
	want := strings.Join([]string{
		`bad.yar:1:21: nothing is not known: neither a variable, a rule nor a module`,
		`  1 | rule a { condition: nothing }`,
		`    |                     ^`,
		`bad.yar:4:10: "4G" is no byte: two of 0-9, A-F and ?`,
		`  4 |   $x = { 4G }`,
		`    |          ^`,
		`bad.yar:8:30: the condition cannot go on with "}"`,
		`  8 | rule c { condition: true and }`,
		`    |                              ^`,
		`bad.yar:9:21: == does not go between a string and an integer`,
		`  9 | rule d { condition: "ä" == 1 }`,
		`    |                     ^`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}
