// Package pattern finds the strings of rules in bytes: texts with their
// modifiers, sequences in hexadecimal, and regular expressions over bytes.
//
// A newcomer needs [ParseRegexp] and [ParseHex], which give a [Node], and
// [Compile], which makes a [Program] of it that is asked around an [Atom]: a
// run of bytes that each match contains. It knows neither rules nor contents
// and must not be used for what people type into queries, whose expressions
// are Unicode's: that is internal/search.
package pattern
