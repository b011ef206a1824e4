// Package wholefile puts files in their places in one step: whoever opens one
// sees what it was before or what it is now, and never a part.
//
// A newcomer needs [Keep], or [Put] for what may be lost with the power, and
// [Hold] where several processes write what they have read. The
// file is first written beside its place, under a name that ends in [Ext]: what
// a killed process left of one has no other meaning and can be removed.
package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Ext ends the names of files that are not in their places yet.
const Ext = ".new"

// Put writes a file in one step.
func Put(name string, mode fs.FileMode, data []byte) error {
	return place(name, mode, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// Keep is Put for what must outlive a loss of power: when it returns the file
// and its name are on the disk.
func Keep(name string, mode fs.FileMode, data []byte) error {
	return Fill(name, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Fill is Keep for what is written bit by bit.
func Fill(name string, mode fs.FileMode, write func(io.Writer) error) error {
	err := place(name, mode, func(f *os.File) error { return errors.Join(write(f), f.Sync()) })
	if err != nil {
		return err
	}
	return Sync(filepath.Dir(name))
}

func place(name string, mode fs.FileMode, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*"+Ext)
	if err != nil {
		return err
	}
	err = write(f)
	if mode != 0o600 && runtime.GOOS != "windows" { // which it has, and where modes say hardly anything
		err = errors.Join(err, f.Chmod(mode))
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name())) // what a full disk took of it is of no use
	}
	return nil
}

// Sync makes the names in a folder outlive a loss of power. Windows opens no
// folder for that, and needs none.
func Sync(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
