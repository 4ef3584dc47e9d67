package invalidation

import (
	"strconv"
	"strings"
	"time"
)

// A fence's lease ends when its process is killed, stopped or cut off. But the statement that it stands for may be with the
// database, waiting for a lock, or on its way there, and commit at any time after. So each process tells Redis, along with its
// fences, who could still carry out what is behind them: the database's sessions that serve its connections. Whoever meets a
// fence whose lease has ended without a release asks the database for those, see doubt.go; until all of them are gone the
// scopes stay fenced.
//
// A holder is told of once, with the first fence that it needs, and not with each: fences are shared, see share.go.

// holder is one of those, known by its name.
type holder struct {
	told uint64    // number of the newest registration that named it; 0 for none that is known to have come, or may
	open int       // fences that need it
	used time.Time // when the last of them ended
	gone bool      // its connection has been closed: it is not needed again
}

const (
	// holderRest is how long a holder that no fence needs is named still: its connection may come back any time.
	holderRest = 5 * time.Minute
	// registerAgain is how old a registration may be. Redis forgets it after a day, see versions.lua.
	registerAgain = time.Hour
	// maxHolderName bounds a name. A longer one, or one with other characters than versions.lua takes, is of nobody known.
	maxHolderName = 64
	unknownName   = "?"
)

// holders are those of this process. Guarded by Versions.mu.
type holders struct {
	named  map[string]*holder
	number uint64 // of the newest registration
	come   uint64 // of the newest that Redis has answered
	at     time.Time
	news   bool // there is something to tell
}

// need notes that one more fence needs the holder, of whom Redis is then told: for certain, if sure is set.
func (s *holders) need(name string, sure bool) {
	h := s.named[name]
	if h == nil {
		if s.named == nil {
			s.named = map[string]*holder{}
		}
		h = &holder{}
		s.named[name] = h
	}
	h.open++
	s.news = s.news || !s.toldOf(name, sure)
}

func (s *holders) toldOf(name string, sure bool) bool {
	h := s.named[name]
	return h != nil && h.told > 0 && (!sure || h.told <= s.come)
}

// leave ends what one fence needed of the holder.
func (s *holders) leave(name string, now time.Time) {
	h := s.named[name]
	if h == nil {
		return
	}
	h.open--
	h.used = now
	if h.gone && h.open == 0 {
		delete(s.named, name)
	}
}

// HolderGone tells that the connection behind a name, as given in FenceOptions, has been closed and gets no more to do, so that the
// name need not be kept for when it is used again. What it leaves in doubt keeps it for as long as that lasts.
func (v *Versions) HolderGone(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name = holderName(name)
	if h := v.holders.named[name]; h != nil && name != unknownName {
		h.gone = true
		if h.open == 0 {
			delete(v.holders.named, name)
		}
	}
}

// registration returns the arguments that tell Redis of all holders, and its number; 0 where nothing new is to be told.
func (s *holders) registration(process string, now time.Time) (args []any, number uint64) {
	if len(s.named) == 0 || !s.news && now.Sub(s.at) < registerAgain {
		return nil, 0
	}
	s.number++
	s.at, s.news = now, false
	names := make([]string, 0, len(s.named))
	for name, h := range s.named {
		if h.open == 0 && now.Sub(h.used) > holderRest {
			delete(s.named, name)
			continue
		}
		h.told = s.number
		names = append(names, name)
	}
	return []any{"holders", process, strconv.FormatUint(s.number, 10), strings.Join(names, ","), "0"}, s.number
}

// heard notes whether Redis has answered to a registration.
func (s *holders) heard(number uint64, ok bool) {
	if ok {
		s.come = max(s.come, number)
		return
	}
	for _, h := range s.named {
		if h.told == number {
			h.told, s.news = 0, true
		}
	}
}

// lost notes that Redis has forgotten all.
func (s *holders) lost() {
	for _, h := range s.named {
		h.told, s.news = 0, true
	}
}

// holderName returns the name as versions.lua takes it.
func holderName(name string) string {
	ok := name != "" && len(name) <= maxHolderName
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = isAlphanumeric(c) || c == '/' || c == '-' || c == '?' || c == '.'
	}
	if !ok {
		return unknownName
	}
	return name
}

// fenceID is what Redis knows the fence by. The first of the two forms says that its process tells who its holders are.
func (v *Versions) fenceID(held bool) string {
	if held {
		return v.process + "~" + strconv.FormatUint(fenceNames.Add(1), 36)
	}
	return newFenceID()
}
