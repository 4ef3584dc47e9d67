package servers

import "syscall"

// endWithParent has the kernel interrupt the child should this process die
// without a chance to clean up.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
