package mlcache

import (
	"reflect"
	"strings"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// blindPlan is the plan of a text while the schema, or how the session resolves
// names, is not known: it caches nothing, and a write drops everything.
func blindPlan(text string, reason Reason) *plan {
	info := parseEither(text)
	closure := catalog.NoCatalog(info)
	p := &plan{info: info, reason: reason, ddl: closure.DDL, fires: info.Fires}
	p.writesAll = closure.WritesAll || closure.DDL || len(closure.Writes) > 0 || info.Kind == sqlinfo.Unknown
	p.anything = closure.WritesAll && closure.Session
	p.setSession(info, closure.Session)
	return p
}

// parseEither reads a text for a session of which it is not known whether a
// backslash escapes in a plain literal. Where that makes a difference, the text is
// one that is not understood: what is a literal in one reading can be a statement in
// the other.
func parseEither(text string) *sqlinfo.Info {
	info := sqlinfo.Parse(text)
	if strings.IndexByte(text, '\\') < 0 {
		return info
	}
	if escaped := sqlinfo.ParseOptions(text, sqlinfo.Options{BackslashEscapes: true}); reflect.DeepEqual(info, escaped) {
		return info
	}
	return &sqlinfo.Info{WritesAll: true, ChangesSession: true, Refusal: sqlinfo.ReasonSyntax}
}

// setSession says what the statement does to the session: anything, unless it is
// known to do less. functionEffect is true if a function, trigger or the like that
// it reaches may set something.
func (p *plan) setSession(info *sqlinfo.Info, functionEffect bool) {
	if functionEffect || info.Temp || info.Kind == sqlinfo.Unknown {
		p.touchesSession, p.touchesNames = true, true
	}
	parts := info.Parts
	if len(parts) == 0 {
		parts = []*sqlinfo.Info{info}
	}
	for _, part := range parts {
		p.addEffect(part)
	}
	p.touchesNames = p.touchesNames || p.movesPath && len(parts) > 1
}

func (p *plan) addEffect(info *sqlinfo.Info) {
	switch {
	case info.Temp || info.Kind == sqlinfo.Unknown:
	case !info.ChangesSession:
		return
	case info.Kind == sqlinfo.Session:
		switch info.SessionOp {
		case sqlinfo.SessionConstraints, sqlinfo.SessionDiscardOther, sqlinfo.SessionPrepare,
			sqlinfo.SessionDeallocate, sqlinfo.SessionListen, sqlinfo.SessionUnlisten:
			return
		case sqlinfo.SessionCharacteristics:
			p.touchesSession = true
			return
		case sqlinfo.SessionRole, sqlinfo.SessionRoleLocal:
			p.touchesSession, p.movesPath = true, true
			return
		case sqlinfo.SessionSet, sqlinfo.SessionSetLocal, sqlinfo.SessionReset:
			p.addSetting(info.Setting, info.SearchPath)
			return
		}
	case info.ChangedSettings != nil:
		for _, name := range info.ChangedSettings {
			p.addSetting(name, nil)
		}
		return
	}
	p.touchesSession, p.touchesNames = true, true
}

// addSetting notes that a setting is changed. path is what the search path is set to,
// nil if that is not known.
func (p *plan) addSetting(name string, path []string) {
	p.touchesSession = true
	switch {
	case name == "search_path" || name == "role" || name == "session_authorization":
		p.movesPath = true
		p.toPath = path
	case name == "" || sqlinfo.MovesNames(name):
		p.touchesNames = true
	}
}
