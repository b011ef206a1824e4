package room

import "golang.org/x/sys/windows"

// Of gives the disk that a folder is on.
func Of(dir string) (d Disk, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &d.Free, &d.Size, nil)
	}
	return d, err
}
