package servers

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestApartIsOnTwoProcessorsAndBackOnAll(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < 2 {
		t.Skip("there is one processor only")
	}
	p, err := Open(t.Context(), "", "")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	restore, err := p.Apart()
	if err != nil || restore == nil {
		t.Fatalf("they cannot be kept apart: %v", err)
	}
	on := func(pid int) (set unix.CPUSet) {
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			t.Fatal(err)
		}
		return set
	}
	ours := on(os.Getpid())
	if ours.Count() != 1 {
		t.Errorf("this process may run on %d processors", ours.Count())
	}
	servers := 0
	for _, c := range p.started {
		pids, err := family(c.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			if theirs := on(pid); theirs.Count() != 1 || theirs == ours {
				t.Errorf("a server is not on another processor")
			}
			servers++
		}
	}
	if servers < 4 {
		t.Errorf("%d processes, but PostgreSQL alone has more", servers)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if on(os.Getpid()) != all || on(p.started[1].cmd.Process.Pid) != all {
		t.Error("not all processors can be used again")
	}
}
