package sandbox

import (
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// attributes keep a child from having a window.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW | windows.CREATE_NEW_PROCESS_GROUP | windows.BELOW_NORMAL_PRIORITY_CLASS}
}

// delegated is never so: there are no control groups.
func delegated(string) bool { return false }

func (*Group) place(*syscall.SysProcAttr) {}

// pause asks the child to wait with the next thing that it finds, or to go on:
// there is no call that stops a process.
func (p *process) pause(halted bool) {
	kind := byte(frameGo)
	if halted {
		kind = framePause
	}
	_ = p.out.write(kind, nil) // it may have ended
}

// cpu gives what the child says that it has used.
func (p *process) cpu() time.Duration { return time.Duration(p.used.Load()) }

// memory is not known of others here: Go's own bound holds.
func (p *process) memory() int64 { return 0 }

func limitMemory(int64) {}

// HoldsFiles says whether the files that a plan has open can be bounded here.
const HoldsFiles = false

func limitFiles(int64) {}

// wants changes nothing: the child is in the background as a whole.
func (p *process) wants(Limits) {}

// ownCPU gives the time of processors that this process has used.
func ownCPU() time.Duration {
	var made, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &made, &ended, &kernel, &user) != nil {
		return 0
	}
	return spanOf(kernel) + spanOf(user)
}

func spanOf(f windows.Filetime) time.Duration {
	return 100 * time.Duration(int64(f.HighDateTime)<<32|int64(f.LowDateTime))
}
