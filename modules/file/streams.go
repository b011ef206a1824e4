package file

import (
	"encoding/binary"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/native"
	"github.com/quaestor-engine/quaestor/value"
)

// streamName reads the name of a stream in a WIN32_FIND_STREAM_DATA, which has
// its size in 8 bytes before it: :name:$DATA. That of the content has no name,
// and gives "".
func streamName(data []byte) string {
	if len(data) < 10 {
		return ""
	}
	end := 8
	for end+1 < len(data) && binary.LittleEndian.Uint16(data[end:]) != 0 {
		end += 2
	}
	name := strings.TrimPrefix(native.Text(data[8:end]), ":")
	name, kind, _ := strings.Cut(name, ":")
	if kind != "$DATA" && kind != "" {
		return name + ":" + kind
	}
	return name
}

// textList makes a value of names; of none an empty list.
func textList(names []string) value.Value {
	list := make([]value.Value, len(names))
	for i, n := range names {
		list[i] = value.NewText(n)
	}
	return value.NewList(list)
}
