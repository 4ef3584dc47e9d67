//go:build unix

package servers

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom a server runs as when this process is root: PostgreSQL
// refuses to run as root.
type account struct {
	name     string
	uid, gid int
}

// serverAccount returns nil when this process need not give up rights.
func serverAccount() *account {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return &account{name: name, uid: uid, gid: gid}
		}
	}
	return &account{name: "nobody", uid: 65534, gid: 65534}
}

// runAs sets the account, the process group and the death signal of cmd. A group
// of its own keeps the terminal's Ctrl-C from the server, so that this process
// decides in which order things end.
func runAs(cmd *exec.Cmd, a *account) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	dieWithParent(attr)
	cmd.SysProcAttr = attr
}

// interrupt asks for a fast shutdown: on SIGINT PostgreSQL ends its sessions
// and stops (PostgreSQL manual, "Shutting Down the Server").
func interrupt(p *os.Process) { _ = p.Signal(syscall.SIGINT) }

// kill ends the process and whatever it left in its group.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
