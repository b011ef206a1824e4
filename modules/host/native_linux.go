package host

import "github.com/quaestor-engine/quaestor/value"

// native is for systems that do not keep their facts in files.
func native(string) (value.Value, error) { return value.Value{}, errUnsupported }
