//go:build unix

package conncheck

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// pair returns the two ends of a connection.
func pair(t *testing.T, network, address string) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// wrapped is a connection with another below it, as tls.Conn is.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func become(t *testing.T, conn net.Conn, want State) {
	t.Helper()
	p := New(conn)
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		got := p.State()
		if got == want {
			return
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("state %d, want %d", got, want)
		}
	}
}

func TestStates(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		near, far := pair(t, network, address)
		for _, conn := range []net.Conn{near, wrapped{near}, wrapped{wrapped{near}}} {
			if got := New(conn).State(); got != Quiet {
				t.Errorf("%s, nothing sent: %d", network, got)
			}
		}
		said := []byte("bye")
		if _, err := far.Write(said); err != nil {
			t.Fatal(err)
		}
		become(t, near, Unread)
		far.Close()
		// What has come in is still there to be read.
		become(t, near, Unread)
		if got, err := io.ReadAll(near); err != nil || !bytes.Equal(got, said) {
			t.Errorf("%s: read %q, %v", network, got, err)
		}
		become(t, wrapped{near}, Ended)
		near.Close()
		if got := New(near).State(); got != Ended {
			t.Errorf("%s, closed here: %d", network, got)
		}
	}
	near, _ := pair(t, "tcp", "127.0.0.1:0")
	p := New(near)
	if n := testing.AllocsPerRun(100, func() { p.State() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	near.Close()
	if got := p.State(); got != Ended {
		t.Errorf("closed since: %d", got)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got := New(a).State(); got != Unknown {
		t.Errorf("a pipe: %d", got)
	}
}

func TestWhileSomebodyReads(t *testing.T) {
	near, far := pair(t, "tcp", "127.0.0.1:0")
	read := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 1))
		read <- err
	}()
	seen := make(chan State)
	go func() {
		time.Sleep(100 * time.Millisecond) // the other one waits by then
		seen <- New(near).State()
	}()
	select {
	case got := <-seen:
		if got != Quiet {
			t.Errorf("state %d", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for whoever reads")
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
}
