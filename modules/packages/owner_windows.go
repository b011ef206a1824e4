package packages

import "io/fs"

// ownerOf says that Windows has no such owners.
func ownerOf(fs.FileInfo) (uid, gid uint32, ok bool) { return 0, 0, false }
