package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const installLimit = 5 * time.Minute

// packagedPostgres installs PostgreSQL's server without letting the package
// create and start a cluster of its own, then runs the binaries.
func packagedPostgres(ctx context.Context, o Options) (*Server, error) {
	if !canInstall(o) || o.look.postgresBin() != "" {
		return nil, errAbsent
	}
	err := installing(func() error {
		if o.look.postgresBin() != "" {
			return nil // another process was faster
		}
		o.Log("Installing PostgreSQL with apt-get.")
		if err := install(ctx, "postgresql-common"); err != nil {
			return err
		}
		restore, err := replaceFile("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n", 0o644)
		if err != nil {
			return err
		}
		return errors.Join(install(ctx, "postgresql"), restore())
	})
	if err != nil {
		return nil, err
	}
	return binaryPostgres(ctx, o)
}

func packagedRedis(ctx context.Context, o Options) (*Server, error) {
	if !canInstall(o) || o.look.redisBin() != "" {
		return nil, errAbsent
	}
	err := installing(func() error {
		if o.look.redisBin() != "" {
			return nil
		}
		o.Log("Installing Redis with apt-get.")
		return install(ctx, "redis-server")
	})
	if err != nil {
		return nil, err
	}
	return binaryRedis(ctx, o)
}

// canInstall is true for root on Debian and what derives from it.
func canInstall(o Options) bool {
	if os.Geteuid() != 0 {
		return false
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return false
	}
	_, err := o.look.path("apt-get")
	return err == nil
}

// install installs packages without starting the services that they bring:
// policy-rc.d is what Debian's packages ask before they start one.
func install(ctx context.Context, packages ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	restore, err := replaceFile("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	args := append([]string{"install", "--yes", "--no-install-recommends"}, packages...)
	if err := aptGet(ctx, args...); err == nil {
		return nil
	}
	// A fresh machine has no package lists.
	if err := aptGet(ctx, "update"); err != nil {
		return err
	}
	return aptGet(ctx, args...)
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=60"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets dpkg end in order
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.Join(strings.Fields(string(out)), " ")
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, text[max(0, len(text)-300):])
	}
	return nil
}

// replaceFile gives a file another content until restore is called. A file that
// was not there is removed again.
func replaceFile(path, content string, mode os.FileMode) (restore func() error, err error) {
	old, err := os.ReadFile(path)
	absent := errors.Is(err, os.ErrNotExist)
	if err != nil && !absent {
		return nil, err
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		return nil, err
	}
	return func() error {
		if absent {
			return os.Remove(path)
		}
		return os.WriteFile(path, old, mode)
	}, nil
}
