package harness

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// HoldProxy stands in front of a server and can hold back what clients send to it, also behind the end of
// their connections. Meanwhile it takes no new ones.
type HoldProxy struct {
	listener net.Listener
	target   string

	mu   sync.Mutex
	held chan struct{} // closed when nothing is held
	kept int           // bytes that were held
}

// NewHoldProxy starts one in front of the server of a URL, until the test ends. URL gives the URL through it.
func NewHoldProxy(t testing.TB, server string) *HoldProxy {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &HoldProxy{listener: l, target: u.Host, held: make(chan struct{})}
	close(p.held)
	t.Cleanup(func() {
		p.Deliver()
		l.Close()
	})
	go p.accept()
	return p
}

// URL is the server's URL with the proxy in the place of its address.
func (p *HoldProxy) URL(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err)
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// Hold keeps what clients send from here on until Deliver.
func (p *HoldProxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.held:
		p.held = make(chan struct{})
	default:
	}
}

// Deliver passes on what was held, and then what follows.
func (p *HoldProxy) Deliver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.held:
	default:
		close(p.held)
	}
}

// Kept returns how many bytes have been held in all.
func (p *HoldProxy) Kept() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept
}

func (p *HoldProxy) keep(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.held:
	default:
		p.kept += n
	}
}

func (p *HoldProxy) holds() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

func (p *HoldProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		select {
		case <-p.holds():
			go p.serve(client.(*net.TCPConn))
		default:
			client.Close()
		}
	}
}

func (p *HoldProxy) serve(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server) // either end may break
		_ = client.CloseWrite()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		p.keep(n)
		<-p.holds()
		if n > 0 {
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			_ = server.CloseWrite()
			// The server ends its side when it has done all that it was sent.
			_, _ = io.Copy(io.Discard, server)
			return
		}
	}
}
