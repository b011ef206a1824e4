package network

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/table"
)

func at(file string, line int) string { return file + ":" + strconv.Itoa(line) }

// parseSaved reads what iptables-save writes:
//
//	*filter                              a table begins
//	:INPUT DROP [12:3456]                a chain, its policy, packets:bytes
//	[1:60] -A INPUT -p tcp --dport 22 -j ACCEPT
//	COMMIT                               the table ends
//
// It calls yield with each rule, and with nil for a line that is none of these.
func parseSaved(text []byte, yield func(line int, r *filterRule) error) error {
	in := ""
	policies, positions := map[string]string{}, map[string]int64{}
	for n, line := range table.Lines(text) {
		var r *filterRule
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "COMMIT":
			in = ""
			continue
		case line[0] == '*' && len(line) > 1:
			in = line[1:]
			clear(policies)
			clear(positions)
			continue
		case in == "":
		case line[0] == ':':
			r = savedChain(line[1:])
			if r != nil {
				policies[r.chain] = r.policy
				if r.policy == "" {
					continue // a chain that others jump to has none
				}
			}
		default:
			if r = savedRule(line); r != nil {
				positions[r.chain]++
				r.position, r.policy = positions[r.chain], policies[r.chain]
				if _, chain := policies[r.verdict]; chain {
					r.verdict = "jump " + r.verdict
				} else {
					r.verdict = strings.ToLower(r.verdict)
				}
			}
		}
		if r != nil {
			r.table, r.hook = in, builtinHook(r.chain)
		}
		if err := yield(n, r); err != nil {
			return err
		}
	}
	return nil
}

func builtinHook(chain string) string {
	switch chain {
	case "INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING":
		return strings.ToLower(chain)
	}
	return ""
}

// savedChain reads INPUT DROP [12:3456].
func savedChain(line string) *filterRule {
	w := strings.Fields(line)
	if len(w) < 2 || len(w) > 3 {
		return nil
	}
	r := &filterRule{chain: w[0], packets: -1, bytes: -1}
	if len(w) == 3 && !r.counters(w[2]) {
		return nil
	}
	if w[1] != "-" {
		r.policy = strings.ToLower(w[1])
		r.verdict, r.text = r.policy, "policy "+r.policy
	}
	return r
}

// counters reads [packets:bytes].
func (r *filterRule) counters(text string) bool {
	n, err := fmt.Sscanf(text, "[%d:%d]", &r.packets, &r.bytes)
	return n == 2 && err == nil && r.packets >= 0 && r.bytes >= 0
}

// savedRule reads a rule, whose text is kept as it is.
func savedRule(line string) *filterRule {
	r := &filterRule{packets: -1, bytes: -1}
	if line[0] == '[' {
		front, rest, ok := strings.Cut(line, " ")
		if !ok || !r.counters(front) {
			return nil
		}
		line = strings.TrimSpace(rest)
	}
	w, ok := quotedWords(line)
	if !ok || len(w) < 2 || w[1] == "" || w[0] != "-A" && w[0] != "--append" && w[0] != "-I" {
		return nil
	}
	r.chain, r.text = w[1], line
	r.options(w[2:])
	return r
}

// options takes from a rule what columns show.
func (r *filterRule) options(w []string) {
	not := ""
	for i := 0; i < len(w); i++ {
		if w[i] == "!" {
			not = "! "
			continue
		}
		to := r.option(w[i])
		if to != nil && i+1 < len(w) {
			i++
			*to = not + w[i]
		}
		not = ""
	}
}

// option gives the column of an option that has a value.
func (r *filterRule) option(name string) *string {
	switch name {
	case "-p", "--protocol":
		return &r.protocol
	case "-s", "--source":
		return &r.source
	case "-d", "--destination":
		return &r.destination
	case "--sport", "--source-port", "--sports":
		return &r.sport
	case "--dport", "--destination-port", "--dports":
		return &r.dport
	case "-i", "--in-interface":
		return &r.input
	case "-o", "--out-interface":
		return &r.output
	case "--comment":
		return &r.comment
	case "-j", "--jump", "-g", "--goto":
		return &r.verdict
	}
	return nil
}

// quotedWords cuts a line at blanks that do not stand in quotes; false where
// a quote is left open.
func quotedWords(line string) ([]string, bool) {
	var words []string
	var word strings.Builder
	begun, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words, !quoted
}
