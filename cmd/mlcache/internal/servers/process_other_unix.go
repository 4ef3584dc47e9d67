//go:build unix && !linux

package servers

import "syscall"

// dieWithParent can do nothing here: the guard ends the process instead.
func dieWithParent(*syscall.SysProcAttr) {}
