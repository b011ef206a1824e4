package convert

import (
	"strconv"
	"strings"
)

// Quote writes a text as a literal of the language, whatever is in it: raw in
// single quotes where it has backslashes and that can be, so that a regular
// expression or a path of Windows reads as it was, else in double quotes.
func Quote(s string) string {
	if strings.ContainsRune(s, '\\') && !strings.ContainsAny(s, "'\n\r") && strconv.CanBackquote(strings.ReplaceAll(s, "`", "")) {
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}
