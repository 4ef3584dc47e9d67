package history

import (
	"fmt"
	"strings"
)

// Shape says how many registers there are.
type Shape struct {
	Tables int
	Rows   int // of each table
}

// Registers is the number of registers.
func (s Shape) Registers() int { return s.Tables * s.Rows }

// register numbers a row; rows count from 1.
func (s Shape) register(table, row int) int { return table*s.Rows + row - 1 }

func (s Shape) place(register int) (table, row int) { return register / s.Rows, register%s.Rows + 1 }

// DDL makes the tables, the views over them and the audit.
func (s Shape) DDL() string {
	var b strings.Builder
	b.WriteString(`CREATE TABLE audit (tab int NOT NULL, id int NOT NULL, n bigint NOT NULL, writer text NOT NULL);
		CREATE FUNCTION note_version() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO audit VALUES (TG_ARGV[0]::int, NEW.id, NEW.n, NEW.writer); RETURN NULL; END $$;`)
	for t := range s.Tables {
		fmt.Fprintf(&b, `CREATE TABLE register_%[1]d (id int PRIMARY KEY, n bigint NOT NULL, writer text NOT NULL);
			INSERT INTO register_%[1]d SELECT i, 0, '' FROM generate_series(1, %[2]d) i;
			CREATE VIEW seen_%[1]d AS SELECT id, n, writer FROM register_%[1]d;
			CREATE TRIGGER note AFTER UPDATE ON register_%[1]d FOR EACH ROW EXECUTE FUNCTION note_version(%[1]d);`, t, s.Rows)
	}
	return b.String()
}
