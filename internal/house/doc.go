// Package house holds the rules that the source of Quaestor is kept to, as
// tests: who may import whom (floors_test.go) and how files, functions and
// names look (style_test.go).
//
// The tests read every Go file of the repository, those for other systems
// included. They ask nothing of the go command, whose answers go test would
// take for settled and not ask for again. A rule is mended in the code that
// breaks it, not here. There is nothing to import.
package house
