//go:build unix

package servers

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// installing runs f while no other process does: what an installation replaces
// for a moment must be put back by the one that replaced it.
func installing(f func() error) (err error) {
	lock, err := os.OpenFile("/run/mlcache-demo-install.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // and with it the lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	return f()
}
