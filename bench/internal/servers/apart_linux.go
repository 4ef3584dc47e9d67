package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Apart puts this process on one processor and the servers that Open has started on another, until restore is called.
// Then a wait for a server is always a wait for another processor, as it is for a server on another machine. Otherwise
// the scheduler decides, anew for each process of a server and for seconds, and such a wait takes between one time and
// three times as long.
//
// restore is nil where that cannot be: not every server was started by Open, or there is only one processor.
func (p *Pair) Apart() (restore func() error, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, err
	}
	if len(p.started) < 2 || all.Count() < 2 {
		return nil, nil
	}
	// Neighbours in number are often two threads of one core.
	var ours, theirs unix.CPUSet
	first, last := -1, -1
	for cpu := range 8 * len(all) * wordBytes {
		if all.IsSet(cpu) {
			if first < 0 {
				first = cpu
			}
			last = cpu
		}
	}
	ours.Set(first)
	theirs.Set(last)
	restore = func() error { return p.place(&all, &all) }
	if err := p.place(&ours, &theirs); err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}

const wordBytes = strconv.IntSize / 8

// place says where this process runs, and where the servers do. What they start later runs there too.
func (p *Pair) place(ours, theirs *unix.CPUSet) error {
	err := placeProcess(os.Getpid(), ours)
	for _, c := range p.started {
		// Twice: a process may have started another before it was its turn.
		for range 2 {
			pids, listErr := family(c.cmd.Process.Pid)
			err = errors.Join(err, listErr)
			for _, pid := range pids {
				err = errors.Join(err, placeProcess(pid, theirs))
			}
		}
	}
	return err
}

// placeProcess is for all threads of a process. One that has ended is no error.
func placeProcess(pid int, on *unix.CPUSet) error {
	for range 2 {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(filepath.Base(thread))
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(id, on); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("mlcache: cannot choose a processor: %w", err)
			}
		}
	}
	return nil
}

// family is a process and its children; those of a PostgreSQL have none.
func family(parent int) ([]int, error) {
	pids := []int{parent}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name, in brackets, may hold anything (proc(5)). State and parent follow it.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}
