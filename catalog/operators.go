package catalog

import "slices"

type operator struct {
	schema  string
	calls   *function
	stable  bool // a built-in function stands behind it that is not immutable
	builtin string
	// com and neg are its commutator and negator, and instead all operators that the
	// planner may put in its place or try for an estimate: these, and theirs.
	com, neg oid
	instead  []*operator
}

// tieInstead finds what may stand in an operator's place.
func (b *builder) tieInstead(o *operator) {
	for todo := []*operator{o}; len(todo) > 0; todo = todo[1:] {
		for _, id := range []oid{todo[0].com, todo[0].neg} {
			if other := b.operators[id]; other != nil && other != o && !slices.Contains(o.instead, other) {
				o.instead = append(o.instead, other)
				todo = append(todo, other)
			}
		}
	}
}

func (w *walk) operator(o *operator, token string, f frame) {
	switch {
	case o.calls != nil:
		w.callFor(ReasonUserOperator, o.calls, f)
	case o.stable:
		w.refuse(f, ReasonUserOperator, token)
		w.builtin(o.builtin)
	}
}
