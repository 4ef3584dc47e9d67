package history

import (
	"context"
	"fmt"
)

// The settings that reloads change, and what an answer shows of them: a schema, or the offset of a time zone.
const (
	SearchPath = "search_path"
	TimeZone   = "TimeZone"
)

// momentDDL makes a time that is shown as each session's TimeZone has it.
const momentDDL = `CREATE TABLE public.moment (at timestamptz NOT NULL); INSERT INTO public.moment VALUES ('2024-05-01 12:00+00');
	GRANT SELECT ON public.moment TO PUBLIC;`

// tableNow is the table that a name stands for, where the server's search_path says that: t is one of public's.
func (c *client) tableNow(t int) int {
	if c.Roams && c.moved.Load() {
		return t + c.Shape.Tables
	}
	return t
}

// name is what the client calls a table.
func (c *client) name(table int) string {
	if c.Roams {
		return c.Shape.local(table)
	}
	return c.Shape.Name(table)
}

// schemaOf is the schema of a register.
func (c *client) schemaOf(register int) string {
	if table, _ := c.Shape.Place(register); table >= c.Shape.Tables {
		return c.Shape.Tenant
	}
	return "public"
}

func (c *client) tellSetting(name, value string, call, end int64, l Level) {
	c.log.put(event{Kind: eventSetting, Set: &Setting{Process: c.Process, Name: name, Value: value, Call: call, Return: end, Level: l}}, true)
}

// readZone reads what the session's TimeZone makes of a time.
func (c *client) readZone(ctx context.Context) {
	const query = "SELECT at::text AS shown FROM public.moment"
	var shown string
	before := c.handle.Stats()
	call := Now()
	err := c.db.QueryRowContext(ctx, query).Scan(&shown)
	end := Now()
	switch {
	case err != nil:
		c.violation("%s failed after %v: %v", query, ms(end-call), err)
	case c.Roams:
		c.tellSetting(TimeZone, zone(shown), call, end, level(before, c.handle.Stats()))
	case zone(shown) != "+00":
		c.violation("%s: %s, and the zone is UTC by the DSN", query, shown)
	}
}

// zone is what stands behind the time of day.
func zone(shown string) string {
	const at = len("2024-05-01 12:00:00")
	if len(shown) <= at {
		return fmt.Sprintf("none in %q", shown)
	}
	return shown[at:]
}

// Changed notes that a setting of the server has been changed by a reload.
func (r *Recorder) Changed(s Setting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reloads = append(r.reloads, s)
}

// Shown is what the newest answers of the processes have shown of a setting.
func (r *Recorder) Shown(name string) map[int]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	shown := map[int]string{}
	for _, s := range r.settings {
		if s.Name == name {
			shown[s.Process] = s.Value
		}
	}
	return shown
}

// Settled checks that an answer shows a setting as it was at most grace before the read began.
func (h *History) Settled(grace int64) {
	for i := range h.Settings {
		s := &h.Settings[i]
		var until int64 // since when it has been something else
		allowed, known := false, false
		for j := range h.Reloads {
			x := &h.Reloads[j]
			if x.Name != s.Name || x.Value != s.Value {
				continue
			}
			known, until = true, never
			for _, next := range h.Reloads[j+1:] {
				if next.Name == s.Name {
					until = next.Return
					break
				}
			}
			if x.Call <= s.Return && (until == never || s.Call <= until+grace) {
				allowed = true
				break
			}
		}
		switch {
		case !known:
			h.violate("process %d was shown %s %s, which it has never been", s.Process, s.Name, s.Value)
		case !allowed:
			h.violate("%v: process %d was shown %s %s from %s, which was changed %v before", ms(s.Call-h.start()), s.Process, s.Name, s.Value, s.Level, ms(s.Call-until))
		}
	}
}
