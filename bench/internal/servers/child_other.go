//go:build !unix

package servers

import (
	"errors"
	"os/exec"
)

var errNameThem = errors.New("mlcache: servers are started on Unix only: name running ones with -dsn and -redis")

type account struct{}

func unprivileged(string) (*account, error) { return nil, errNameThem }

func (*account) apply(*exec.Cmd) {}

func startChild(*exec.Cmd, string, *account) (*child, error) { return nil, errNameThem }
