//go:build !linux

package servers

// Apart does nothing on this system: restore is nil.
func (p *Pair) Apart() (restore func() error, err error) { return nil, nil }
