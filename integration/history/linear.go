package history

import (
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// step is an operation as porcupine sees it: a read of a version, the write that
// makes a version, or what stands at the start of a piece.
type step struct {
	write, start bool
	version      int64
}

// register is a counter that a write takes from one version to the next.
var register = porcupine.Model{
	Init: func() any { return int64(-1) },
	Step: func(state, input, _ any) (bool, any) {
		s, now := input.(step), state.(int64)
		switch {
		case s.start:
			return true, s.version
		case s.write:
			return now == s.version-1, s.version
		}
		return now == s.version, now
	},
}

// pieceSize is how many operations porcupine looks at together, at least: its
// memory grows with the square.
const pieceSize = 500

// Linearizable checks that the operations on each register can be put in an order, each
// at a moment between its call and its return, that a single register would have given.
// excuse, if not nil, takes out reads. It returns the number of operations
// that were judged.
//
// A write without an outcome that was seen took effect before the answer that
// showed it, or a later version, returned: that is its return. One that was never
// seen can be put at the end, and is left out.
func (h *History) Linearizable(excuse func(*Op) bool) int {
	judged := 0
	byRegister := make([][]porcupine.Operation, h.Shape.Registers())
	for i := range h.Reads {
		r := &h.Reads[i]
		if r.Version < int64(len(h.made[r.Register])) && (excuse == nil || !excuse(r)) {
			byRegister[r.Register] = append(byRegister[r.Register], porcupine.Operation{
				ClientId: r.Process<<8 | r.Client, Input: step{version: r.Version}, Call: r.Call, Return: r.Return,
			})
			judged++
		}
	}
	for g, ops := range byRegister {
		effective := h.effective(g, ops)
		for v := int64(1); v < int64(len(effective)); v++ {
			if w := h.write(g, v); w != nil && effective[v] != never {
				ops = append(ops, porcupine.Operation{
					ClientId: w.Process<<8 | w.Client, Input: step{write: true, version: v}, Call: w.Call, Return: max(w.Call, effective[v]),
				})
				judged++
			}
		}
		for _, piece := range pieces(ops) {
			h.judgePiece(g, piece)
		}
	}
	return judged
}

// effective is, by version, when it must have been written at the latest.
func (h *History) effective(g int, reads []porcupine.Operation) []int64 {
	at := make([]int64, len(h.made[g]))
	for v := range at {
		at[v] = never
		if w := h.write(g, int64(v)); w != nil && w.Outcome == Committed {
			at[v] = w.Return
		}
	}
	for _, r := range reads {
		v := r.Input.(step).version
		at[v] = min(at[v], max(r.Return, 0))
	}
	for v := len(at) - 2; v >= 0; v-- {
		at[v] = min(at[v], at[v+1])
	}
	return at
}

// pieces cuts a register's operations where none is under way, so that all of a
// piece come before all of the next. Each begins with the state that the one
// before has left.
func pieces(ops []porcupine.Operation) [][]porcupine.Operation {
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(min(1, max(-1, a.Call-b.Call))) })
	var out [][]porcupine.Operation
	begin := func(version, at int64) []porcupine.Operation {
		return []porcupine.Operation{{ClientId: 0, Input: step{start: true, version: version}, Call: at - 1, Return: at - 1}}
	}
	var piece []porcupine.Operation
	state, end := int64(0), int64(0)
	for _, op := range ops {
		if piece == nil || len(piece) > pieceSize && op.Call > end+1 {
			if piece != nil {
				out = append(out, piece)
			}
			piece = begin(state, op.Call)
		}
		piece = append(piece, op)
		end = max(end, op.Return)
		if s := op.Input.(step); s.write {
			state = max(state, s.version)
		}
	}
	if piece != nil {
		out = append(out, piece)
	}
	return out
}

// pieceTimeout is how long porcupine may look at one piece.
const pieceTimeout = time.Minute

// oneByOne: porcupine uses all the cores, and much memory, for one piece.
var oneByOne sync.Mutex

func (h *History) judgePiece(g int, piece []porcupine.Operation) {
	oneByOne.Lock()
	defer oneByOne.Unlock()
	switch porcupine.CheckOperationsTimeout(register, piece, pieceTimeout) {
	case porcupine.Ok:
	case porcupine.Unknown:
		h.violate("porcupine has not come to an end for %d operations on register %d", len(piece), g)
	default:
		h.violate("register %d is not linearizable between %v and %v", g, ms(piece[0].Call), ms(piece[len(piece)-1].Return))
		h.explain(g, piece)
	}
}

// explain shows reads that cannot be: something newer had been written, or seen,
// before they began.
func (h *History) explain(g int, piece []porcupine.Operation) {
	var passed timeline
	for _, op := range piece {
		passed.add(op.Return, op.Input.(step).version)
	}
	shown := 0
	for i := range h.Reads {
		r := &h.Reads[i]
		if r.Register != g || r.Call < piece[0].Call || r.Return > piece[len(piece)-1].Return {
			continue
		}
		if v := passed.before(r.Call); r.Version < v && shown < 3 {
			shown++
			h.violate("  %s: version %d had been written or seen before", h.show(r), v)
		}
	}
}
