//go:build unix

package servers

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guard is a small shell that outlives this process, if only by a moment, and
// cleans up what a killed process could not: it reads from a pipe that the kernel
// closes when this process is gone, for whatever reason.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// guardScript gets a process id, a folder and, if the process is the docker
// command, the name of its container: the command may die, and the container not
// hear of it. SIGQUIT has PostgreSQL and Redis end at once; a process that does not
// is killed after two seconds.
const guardScript = `
trap '' HUP INT TERM
read -r word && exit 0
kill -QUIT "$1" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	kill -0 "$1" 2>/dev/null || break
	[ -z "$3" ] || kill -KILL "$1" 2>/dev/null
	sleep 0.1
done
kill -KILL "-$1" 2>/dev/null
[ -z "$3" ] || docker rm --force --volumes "$3" >/dev/null 2>&1
rm -rf -- "$2"
`

func startGuard(pid int, folder, container string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", strconv.Itoa(pid), folder, container)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// release sends the guard home: the folder is gone and so is the process.
func (g *guard) release() {
	if g == nil {
		return
	}
	_, _ = io.WriteString(g.pipe, "done\n")
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}
