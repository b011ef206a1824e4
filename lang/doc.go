// Package lang turns query text into a tree and back.
//
// A newcomer needs Parse, which reads a whole source and reports every mistake
// that it finds at once, and Format, which writes a tree in its one canonical
// form. Mistakes come as *Error, whose text shows the line, a caret and the
// mend; other stages make their own Diagnostics and render them the same way.
//
// The package knows the grammar only: which modules, columns, functions and
// settings exist, and whether types fit, is the planner's business. It must not
// be used to run anything, and it opens no file: @file is a name here.
package lang
