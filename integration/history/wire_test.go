package history_test

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire stands between a program and its Redis and counts round trips: what the
// program sends at once is one.
type wire struct {
	listener net.Listener
	upstream string
	// delay holds up every answer.
	delay atomic.Int64
	// renewals counts the commands that renew fences; while holdRenewal is set, the
	// next one goes nowhere for some seconds, and does not count.
	renewals    atomic.Int64
	holdRenewal atomic.Bool

	mu    sync.Mutex
	trips [][]string // the commands of each, without those of the background
}

func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, upstream: upstream}
	t.Cleanup(func() { l.Close() })
	go w.serve()
	return w
}

func (w *wire) url() string {
	return "redis://" + w.listener.Addr().String() + "?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s"
}

func (w *wire) serve() {
	for {
		down, err := w.listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", w.upstream)
		if err != nil {
			down.Close()
			continue
		}
		go func() {
			defer up.Close()
			w.requests(down, up)
		}()
		go func() {
			defer down.Close()
			buffer := make([]byte, 64<<10)
			for {
				n, err := up.Read(buffer)
				if err != nil {
					return
				}
				time.Sleep(time.Duration(w.delay.Load()))
				if _, err := down.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func (w *wire) requests(down, up net.Conn) {
	buffer := make([]byte, 64<<10)
	var rest []byte
	for {
		n, err := down.Read(buffer)
		if err != nil {
			return
		}
		rest = append(rest, buffer[:n]...)
		var names []string
		for {
			command, size := parseCommand(rest)
			if size == 0 {
				break
			}
			rest = rest[size:]
			if len(command) > 4 && command[4] == "renew" {
				if w.holdRenewal.CompareAndSwap(true, false) {
					time.Sleep(5 * time.Second)
				} else {
					w.renewals.Add(1)
				}
			}
			if name := name(command); name != "" {
				names = append(names, name)
			}
		}
		if names != nil {
			w.mu.Lock()
			w.trips = append(w.trips, names)
			w.mu.Unlock()
		}
		if _, err := up.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// parseCommand reads an array of bulk strings; size is 0 when it is not whole.
func parseCommand(b []byte) (command []string, size int) {
	line := func(at int, mark byte) (n, next int) {
		end := bytes.Index(b[at:], []byte("\r\n"))
		if end < 1 || b[at] != mark {
			return 0, 0
		}
		n, err := strconv.Atoi(string(b[at+1 : at+end]))
		if err != nil {
			return 0, 0
		}
		return n, at + end + 2
	}
	count, at := line(0, '*')
	if at == 0 {
		return nil, 0
	}
	for range count {
		n, next := line(at, '$')
		if next == 0 || len(b) < next+n+2 {
			return nil, 0
		}
		command = append(command, string(b[next:next+n]))
		at = next + n + 2
	}
	return command, at
}

// name is what a command is for; empty for those that no operation of a program
// causes: setting up a connection, and asking regularly what has changed.
func name(command []string) string {
	switch verb := strings.ToLower(command[0]); verb {
	case "evalsha", "eval":
		// The script, the number of keys, the key, the operation.
		if op := command[4]; op != "poll" && op != "renew" {
			return op
		}
		return ""
	case "hmget":
		return "read" // strict's question, between MULTI and EXEC
	case "get", "set":
		return verb
	default:
		return ""
	}
}

// take returns the trips since the last call, in the order of their first
// commands' names.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, names := range w.trips {
		out = append(out, strings.Join(names, "+"))
	}
	w.trips = nil
	slices.Sort(out)
	return out
}
