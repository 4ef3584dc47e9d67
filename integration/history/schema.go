package history

import (
	"fmt"
	"strings"
)

// Shape says how many registers there are.
type Shape struct {
	Tables int
	Rows   int // of each table
	// Tenant is a role that has the same tables in a schema of its own name; they are
	// registers, too, after those in public. Empty for none. [CreateTenant] makes the role.
	Tenant string
}

// Registers is the number of registers.
func (s Shape) Registers() int {
	if s.Tenant != "" {
		return 2 * s.Tables * s.Rows
	}
	return s.Tables * s.Rows
}

// register numbers a row; rows count from 1, tables from 0, the tenant's from Tables.
func (s Shape) register(table, row int) int { return table*s.Rows + row - 1 }

// Place is the register's table and row.
func (s Shape) Place(register int) (table, row int) { return register / s.Rows, register%s.Rows + 1 }

// local is a table's name in its schema.
func (s Shape) local(table int) string { return fmt.Sprint("register_", table%s.Tables) }

// Name is what a session with the usual search_path calls a table.
func (s Shape) Name(table int) string { return s.qualify(table, s.local(table)) }

// qualify puts the tenant's schema in front of the name of something that is his.
func (s Shape) qualify(table int, name string) string {
	if table < s.Tables {
		return name
	}
	return s.Tenant + "." + name
}

// CreateTenant is the statement that makes the tenant's role. It belongs to the server, not to a database.
func (s Shape) CreateTenant() string { return "CREATE ROLE " + s.Tenant }

// DDL makes the tables, the views over them, what changes them, and the audit.
func (s Shape) DDL() string {
	var b strings.Builder
	b.WriteString(`CREATE TABLE audit (tab int NOT NULL, id int NOT NULL, n bigint NOT NULL, writer text NOT NULL);
		CREATE FUNCTION note_version() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.audit VALUES (NEW.tab, NEW.id, NEW.n, NEW.writer); RETURN NULL; END $$;`)
	s.schema(&b, "public", 0)
	b.WriteString(callsDDL(s.Tables) + sessionDDL + momentDDL)
	if s.Tenant != "" {
		fmt.Fprintf(&b, "CREATE SCHEMA %[1]s AUTHORIZATION %[1]s; GRANT ALL ON audit TO %[1]s;", s.Tenant)
		s.schema(&b, s.Tenant, s.Tables)
		for _, schema := range []string{"public", s.Tenant} {
			fmt.Fprintf(&b, "GRANT ALL ON ALL TABLES IN SCHEMA %s TO %s;", schema, s.Tenant)
		}
	}
	return b.String()
}

// schema makes the tables of one schema, which are numbered from first.
func (s Shape) schema(b *strings.Builder, schema string, first int) {
	for t := range s.Tables {
		fmt.Fprintf(b, `CREATE TABLE %[1]s.register_%[2]d (id int PRIMARY KEY, n bigint NOT NULL, writer text NOT NULL, tab int NOT NULL DEFAULT %[3]d);
			INSERT INTO %[1]s.register_%[2]d SELECT i, 0, '' FROM generate_series(1, %[4]d) i;
			CREATE VIEW %[1]s.seen_%[2]d AS SELECT tab, id, n, writer FROM %[1]s.register_%[2]d;
			CREATE TRIGGER note AFTER UPDATE ON %[1]s.register_%[2]d FOR EACH ROW EXECUTE FUNCTION public.note_version();`, schema, t, first+t, s.Rows)
	}
}
