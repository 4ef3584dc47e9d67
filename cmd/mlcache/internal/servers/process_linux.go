package servers

import "syscall"

// dieWithParent has the kernel send SIGINT when the thread that forked ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
