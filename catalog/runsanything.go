package catalog

// queryRunsAnything is a part of queryLinks: the relations in whose defaults,
// constraints, rules or triggers' conditions a built-in function is called that may
// do anything (set_config, and those of runsText), and those with a rule that names
// one of the server's own relations. PostgreSQL records no dependency on what comes
// with the server, but its parsed expressions hold the identity of each function
// (nodes/primnodes.h, FuncExpr) and of each relation of a query (nodes/parsenodes.h,
// RangeTblEntry), whatever the names in front of them mean. The built-in ones are
// asked for by name, since a user may not change them.
const queryRunsAnything = `SELECT DISTINCT 'runs anything', x.relation::text, NULL, NULL, NULL, NULL
FROM (SELECT adrelid AS relation, adbin::text AS tree, false AS rule FROM pg_attrdef
  UNION ALL SELECT conrelid, conbin::text, false FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
  UNION ALL SELECT tgrelid, tgqual::text, false FROM pg_trigger WHERE tgqual IS NOT NULL AND tgenabled <> 'D'
  UNION ALL SELECT ev_class, concat(ev_qual::text, ev_action::text), true FROM pg_rewrite WHERE ev_type <> '1' AND oid >= 16384
  UNION ALL SELECT a.attrelid, c.conbin::text, false FROM pg_constraint c JOIN pg_attribute a ON a.atttypid = c.contypid
    WHERE c.contype = 'c' AND c.contypid <> 0
  UNION ALL SELECT a.attrelid, t.typdefaultbin::text, false FROM pg_type t JOIN pg_attribute a ON a.atttypid = t.oid
    WHERE t.typdefaultbin IS NOT NULL AND t.oid >= 16384) AS x,
  (SELECT ':funcid (' || string_agg(oid::text, '|') || ')[^0-9]' AS pattern FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384 AND proname IN ('set_config',
      'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'cursor_to_xml', 'cursor_to_xmlschema',
      'ts_stat', 'ts_rewrite')) AS calls
WHERE x.relation >= 16384 AND (x.tree ~ calls.pattern OR x.rule AND x.tree ~ ':relid ([1-9][0-9]{0,3}|1[0-5][0-9]{3}|16[0-2][0-9]{2}|163[0-7][0-9]|1638[0-3])[^0-9]')`

// anything notes that a write to a relation may do anything.
func (b *builder) anything(l link) {
	if rel := b.relations[id(l.a)]; rel != nil {
		rel.runsAnything = true
	}
}

// throughSystemView follows a write to a view over the server's own relations. It is
// one to any of them, pg_settings among them.
func (w *walk) throughSystemView(r *relation, f frame) {
	for _, n := range r.view.reading().reads {
		for _, base := range w.s.find(n, &qualified) {
			if base.isSystem() {
				w.later(func() { w.writes(base, opAll, f) })
			}
		}
	}
}
