package process

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The places that parseKinfo reads are those that package unix was generated
// with on a Mac. Whoever compiles this has checked it: an index that is not 0
// is no index.
var (
	kp unix.KinfoProc

	_ = [1]int{}[unsafe.Sizeof(kp)-kinfoSize]
	_ = [1]int{}[unsafe.Offsetof(kp.Proc)+unsafe.Offsetof(kp.Proc.P_starttime)]
	_ = [1]int{}[unsafe.Offsetof(kp.Proc.P_stat)-36]
	_ = [1]int{}[unsafe.Offsetof(kp.Proc.P_pid)-40]
	_ = [1]int{}[unsafe.Offsetof(kp.Proc.P_nice)-242]
	_ = [1]int{}[unsafe.Offsetof(kp.Proc.P_comm)-243]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Pcred)+unsafe.Offsetof(kp.Eproc.Pcred.P_ruid)-392]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Pcred)+unsafe.Offsetof(kp.Eproc.Pcred.P_rgid)-400]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Ucred)+unsafe.Offsetof(kp.Eproc.Ucred.Uid)-420]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Ucred)+unsafe.Offsetof(kp.Eproc.Ucred.Groups)-428]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Ppid)-560]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Pgid)-564]
	_ = [1]int{}[unsafe.Offsetof(kp.Eproc)+unsafe.Offsetof(kp.Eproc.Tdev)-572]
)
