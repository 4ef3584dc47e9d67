package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// errExited says that a server ended by itself while it was being started, as
// it does when its port was taken in the meantime.
var errExited = errors.New("the server ended by itself")

// process is a child process with a folder of its own. Both vanish with it.
type process struct {
	cmd    *exec.Cmd
	folder *folder
	guard  *guard
	exited chan struct{}
}

// startProcess runs cmd with its output in the folder's log, and with serverEnv
// unless cmd brings an environment. The child dies with this process: the kernel
// tells it on Linux, a guard elsewhere. container is the name of the container
// that cmd runs, or empty.
func startProcess(cmd *exec.Cmd, f *folder, container string) (*process, error) {
	log, err := os.Create(f.log())
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.path, log, log
	if cmd.Env == nil {
		cmd.Env = serverEnv(f.path)
	}
	runAs(cmd, f.owner)
	p := &process{cmd: cmd, folder: f, exited: make(chan struct{})}

	started := make(chan error)
	go func() {
		// The kernel's death signal is bound to the thread that forks, so this
		// thread must live as long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if p.guard, err = startGuard(cmd.Process.Pid, f.path, container); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop ends the process, politely at first, and removes its folder.
func (p *process) stop() error {
	select {
	case <-p.exited:
	default:
		interrupt(p.cmd.Process)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
			kill(p.cmd.Process)
			<-p.exited
		}
	}
	err := p.folder.remove()
	p.guard.release()
	return err
}

// failure stops the process and says why it is of no use, with the end of what
// it printed.
func (p *process) failure(err error) error {
	tail := p.folder.logTail()
	err = errors.Join(err, p.stop())
	if tail != "" {
		return fmt.Errorf("%w: %s", err, tail)
	}
	return err
}

// serverEnv is the whole environment of a child: nothing of the caller's, such as
// PGDATA or PGOPTIONS, must reach it.
func serverEnv(home string) []string {
	env := []string{"LC_ALL=C", "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"SystemRoot", "TEMP", "TMP"} {
		if v, ok := os.LookupEnv(name); ok && runtime.GOOS == "windows" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// folder is a temporary folder that belongs to the account that the server runs
// under.
type folder struct {
	path  string
	owner *account
}

// newFolder makes a folder which the server's account can reach: when root
// gives way to another account, every folder above must let that one through.
func newFolder() (*folder, error) {
	owner := serverAccount()
	var errs []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if owner != nil && !reachable(parent) {
			errs = append(errs, fmt.Errorf("%s is closed to the account %s", parent, owner.name))
			continue
		}
		path, err := os.MkdirTemp(parent, "mlcache-demo-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f := &folder{path: path, owner: owner}
		if owner != nil {
			if err := os.Chown(path, owner.uid, owner.gid); err != nil {
				return nil, errors.Join(err, f.remove())
			}
		}
		return f, nil
	}
	return nil, errors.Join(errs...)
}

// reachable tells whether everybody may pass through path.
func reachable(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() || info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

func (f *folder) log() string { return filepath.Join(f.path, "log") }

// logTail returns the last lines of the log in one line, at most 300 bytes.
func (f *folder) logTail() string {
	b, err := os.ReadFile(f.log())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	tail := strings.Join(lines[max(0, len(lines)-3):], " | ")
	return tail[max(0, len(tail)-300):]
}

// write puts a file into the folder that only the server's account can read.
func (f *folder) write(name, content string) (string, error) {
	path := filepath.Join(f.path, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", err
	}
	if f.owner != nil {
		return path, os.Chown(path, f.owner.uid, f.owner.gid)
	}
	return path, nil
}

func (f *folder) remove() error { return os.RemoveAll(f.path) }

// run runs a helper program to its end as the server's account.
func (f *folder) run(ctx context.Context, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = f.path, serverEnv(f.path)
	runAs(cmd, f.owner)
	cmd.Cancel = func() error { kill(cmd.Process); return nil } // with what it started: initdb runs servers of its own
	runtime.LockOSThread()                                      // as in startProcess
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.Join(strings.Fields(string(out)), " ")
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, text[max(0, len(text)-300):])
	}
	return nil
}
