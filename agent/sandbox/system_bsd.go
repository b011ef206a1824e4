//go:build unix && !linux

package sandbox

import (
	"syscall"
	"time"
)

// attributes keep from a child what a terminal sends to those in front of it.
// It ends with its agent, since its pipe does.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// delegated is never so: there are no control groups.
func delegated(string) bool { return false }

func (*Group) place(*syscall.SysProcAttr) {}

// pause stops the child where it stands, or lets it go on.
func (p *process) pause(halted bool) {
	s := syscall.SIGCONT
	if halted {
		s = syscall.SIGSTOP
	}
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// cpu gives what the child says that it has used.
func (p *process) cpu() time.Duration { return time.Duration(p.used.Load()) }

// memory is not known of others here: Go's own bound holds.
func (p *process) memory() int64 { return 0 }

func limitMemory(int64) {}

// wants changes nothing: there are no classes of I/O here.
func (p *process) wants(Limits) {}
