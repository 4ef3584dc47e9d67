//go:build unix

package servers

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
)

// account is who runs a server; nil is the user of this process.
type account struct{ uid, gid uint32 }

// unprivileged gives dir to the account that PostgreSQL is to run as: postgres
// refuses to run as root.
func unprivileged(dir string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{uint32(uid), uint32(gid)}, os.Chown(dir, int(uid), int(gid))
		}
	}
	return nil, fmt.Errorf("mlcache: PostgreSQL does not run as root and there is no user postgres or nobody")
}

func (a *account) apply(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// startChild starts a server in a process group of its own: Ctrl-C is for this
// process, which then stops the servers in order.
func startChild(cmd *exec.Cmd, dir string, as *account) (*child, error) {
	cmd.Dir = dir
	as.apply(cmd)
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr)
	c := &child{cmd: cmd, dir: dir, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's signal at the parent's death is tied to the thread.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}
