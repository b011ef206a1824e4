package yara

import "github.com/quaestor-engine/quaestor/modules/yara/pattern"

// ruleNode is a rule as it was written.
type ruleNode struct {
	name            token
	private, global bool
	tags            []token
	meta            []Meta
	strings         []stringNode
	cond            node
}

// stringNode is one line of a strings section.
type stringNode struct {
	name span
	id   string // with its $, "$" for one without a name
	kind stringKind
	at   span        // of the pattern
	text string      // of a text, unescaped; of the others as written
	flag patternFlag // of an expression
	mods modifiers
}

type stringKind uint8

const (
	textString stringKind = iota
	hexString
	regexString
)

type patternFlag = pattern.Flags

// modifiers are what may stand behind a string.
type modifiers struct {
	at                                     span
	nocase, wide, ascii, fullword, private bool
	xor, base64, base64wide                bool
	xorMin, xorMax                         byte
	alphabet                               string // of base64 and base64wide
	has                                    map[string]bool
}

// node is a part of a condition as it was written.
type node interface{ where() span }

type (
	literalNode struct {
		span
		val Value
	}
	regexNode struct {
		span
		text string
		flag patternFlag
	}
	nameNode struct {
		span
		name string
	}
	fieldNode struct {
		span
		of   node
		name string
	}
	indexNode struct {
		span
		of, index node
	}
	callNode struct {
		span
		of   node
		args []node
	}
	// stringUse is $a, #a, @a or !a with what may follow it.
	stringUse struct {
		span
		sign   byte
		name   string // with $
		index  node   // of @ and !
		at     node
		lo, hi node // in (lo..hi)
	}
	unaryNode struct {
		span
		op string
		of node
	}
	binaryNode struct {
		span
		op   string
		x, y node
	}
	// ofNode is "q of set", with at or in.
	ofNode struct {
		span
		q      quantNode
		set    setNode
		at     node
		lo, hi node
	}
	// forOfNode is "for q of set : (body)".
	forOfNode struct {
		span
		q    quantNode
		set  setNode
		body node
	}
	// forInNode is "for q vars in iter : (body)".
	forInNode struct {
		span
		q    quantNode
		vars []token
		iter iterNode
		body node
	}
)

// quantNode is how many: a word, or a number.
type quantNode struct {
	span
	word    string // all, any, none, or ""
	n       node
	percent bool
}

// setNode is the strings or rules of an "of".
type setNode struct {
	span
	them  bool
	items []token // $a, $a* or a rule's name, with its star
}

// iterNode is what a loop goes over: a range, a list, or one thing.
type iterNode struct {
	span
	lo, hi node
	list   []node
	of     node
}
