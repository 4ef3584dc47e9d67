//go:build unix

package conncheck

import "syscall"

func (p *Peeker) looker() func(fd uintptr) {
	return func(fd uintptr) {
		for {
			// Go's sockets do not block.
			n, _, err := syscall.Recvfrom(int(fd), p.room[:], syscall.MSG_PEEK)
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
				p.seen = Quiet
			case err != nil || n == 0:
				p.seen = Ended
			default:
				p.seen = Unread
			}
			return
		}
	}
}
