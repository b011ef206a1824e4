package upgrade

import "syscall"

// attributes have a child end with the process that started it, however that
// ends.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
