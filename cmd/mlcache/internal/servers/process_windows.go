package servers

import (
	"os"
	"os/exec"
)

// account is unused on Windows: a server runs as whoever runs this process.
type account struct {
	name     string
	uid, gid int
}

func serverAccount() *account { return nil }

func runAs(*exec.Cmd, *account) {}

func interrupt(p *os.Process) { _ = p.Kill() }

func kill(p *os.Process) { _ = p.Kill() }

// installing runs f: there is nothing to install with on Windows.
func installing(f func() error) error { return f() }

// guard does nothing on Windows, where no shell can be counted on.
type guard struct{}

func startGuard(int, string, string) (*guard, error) { return nil, nil }

func (*guard) release() {}
