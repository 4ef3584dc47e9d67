package mlcache

import "context"

// loggedIn makes known what a connection that was just opened has written: it may fire event triggers. It goes by
// the schema as it was read last. Each reading, which opens a connection, makes it known again.
func (e *engine) loggedIn(ctx context.Context) {
	e.schema.mu.Lock()
	st := e.schema.last
	e.schema.mu.Unlock()
	e.loginWrites(ctx, st)
}

func (e *engine) loginWrites(ctx context.Context, st *schemaState) {
	if st == nil || st.snapshot == nil || e.off() {
		return
	}
	closure := st.snapshot.Login()
	if !closure.WritesAll && len(closure.Writes) == 0 {
		return
	}
	var scopes []string
	if !closure.WritesAll && !closure.DDL {
		for _, d := range closure.Writes {
			scopes = append(scopes, d.Scope)
		}
	}
	asking, cancel := forCache(ctx)
	defer cancel()
	_ = e.hub.invalidate(asking, scopes...) // what Redis cannot be told now is queued
}
