package lang

import "strings"

// DidYouMean is the hint that names what was probably meant.
func DidYouMean(near string) string { return didYouMean + near + "?" }

const didYouMean = "did you mean "

// Mend gives what Hint says to write in the place of Span, where it says so in
// so many words; "" where a person has to think.
func (d Diagnostic) Mend() string {
	word, ok := strings.CutPrefix(d.Hint, didYouMean)
	if !ok {
		return ""
	}
	word, rest, ok := strings.Cut(word, "?")
	if !ok || rest != "" {
		return ""
	}
	return word
}
