package main

import (
	"fmt"

	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/value"
)

// endText says in a word how a plan ended.
func endText(e journal.Entry) string {
	if e.Outcome == journal.Unknown {
		return "end not known"
	}
	return value.EscapeText(e.Outcome)
}

// leftText says what left the machine, as far as that was counted.
func leftText(e journal.Entry) string {
	counted := fmt.Sprintf("%d rows, %s left this machine", e.Rows, value.FormatSize(e.Bytes))
	switch {
	case !e.Uncounted:
		return counted
	case e.Rows == 0 && e.Bytes == 0:
		return "what left this machine was not counted"
	}
	return "at least " + counted
}
