package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Landlock can allow what is below a folder, and can leave nothing out of it.
// A view without some folders is therefore made of all that stands beside them,
// and beside what is on the way to them.

// maxNeighbours bounds the rules of a view.
const maxNeighbours = 10_000

// devices is where the kernel shows disks as files: who may read those reads
// every file, the agent's key among them.
const devices = "/dev"

// viewWithout gives the rules of a view that leaves out the agent's folder, by
// whichever mount it can be reached, and devices: all directories can be
// listed, and all other files read.
func viewWithout(dir string) ([]landlock.Rule, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("the agent's folder cannot be told from the others: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	v := view{rules: []landlock.Rule{landlock.PathAccess(landlocksys.AccessFSReadDir, "/")}}
	v.out = append(aliases(real, string(mounts)), devices)
	if err := v.beside("/"); err != nil {
		return nil, err
	}
	return v.rules, v.filesAmongDevices()
}

// A view is rules in the making.
type view struct {
	out   []string // what is left out
	rules []landlock.Rule
}

// beside allows what is in a folder but for what is left out, and for devices.
func (v *view) beside(at string) error {
	list, err := os.ReadDir(at)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := filepath.Join(at, e.Name())
		switch out, within := v.leaves(name); {
		case out, e.Type()&(os.ModeSymlink|os.ModeDevice) != 0:
		case within:
			if err := v.beside(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		default:
			if err := v.allow(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaves says whether something is left out, or has below it what is.
func (v *view) leaves(name string) (out, within bool) {
	for _, o := range v.out {
		out = out || o == name
		within = within || strings.HasPrefix(o, name+"/")
	}
	return out, within
}

func (v *view) allow(name string) error {
	if len(v.rules) >= maxNeighbours {
		return fmt.Errorf("there are more than %d files beside those on the way to the agent's folder", maxNeighbours)
	}
	v.rules = append(v.rules, landlock.PathAccess(landlocksys.AccessFSReadFile, name).IgnoreIfMissing())
	return nil
}

// filesAmongDevices allows what is in the folder of devices and is none: files,
// which only who hides them puts there, and other file systems.
func (v *view) filesAmongDevices() error {
	top, err := os.Lstat(devices)
	if err != nil {
		return nil // there is none
	}
	return filepath.WalkDir(devices, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == devices {
			return nil // what cannot be listed cannot be read either
		}
		info, err := e.Info()
		switch {
		case err != nil:
		case e.IsDir() && !sameSystem(top, info):
			if err := v.system(name); err != nil {
				return err
			}
			return fs.SkipDir
		case e.Type().IsRegular():
			return v.allow(name)
		}
		return nil
	})
}

// system allows what is on another file system among devices.
func (v *view) system(name string) error {
	switch out, within := v.leaves(name); {
	case out:
		return nil
	case within:
		return v.beside(name)
	}
	return v.allow(name)
}

// sameSystem says whether two files are on one file system.
func sameSystem(a, b fs.FileInfo) bool {
	x, y := a.Sys().(*syscall.Stat_t), b.Sys().(*syscall.Stat_t)
	return x.Dev == y.Dev
}

// aliases gives the paths by which a folder can be reached over the mounts that
// mountinfo lists (proc_pid_mountinfo(5)): itself, and others where its file
// system is mounted more than once.
func aliases(dir, mountinfo string) []string {
	all := parseMounts(mountinfo)
	own, inside := placesOf(all).of(dir)
	list := []string{dir}
	for _, m := range all {
		rest, ok := below(inside, m.root)
		if name := filepath.Join(m.at, rest); ok && m.device == own.device && name != dir {
			list = append(list, name)
		}
	}
	return list
}
