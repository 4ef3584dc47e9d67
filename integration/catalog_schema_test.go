package integration

// catalogSchema is a schema in which one write sets off another in every way
// that PostgreSQL has.
const catalogSchema = `
CREATE SCHEMA "Odd Names";
CREATE TABLE customers (id int PRIMARY KEY, code text UNIQUE, name text, balance int DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, status text DEFAULT 'open', total int DEFAULT 0);
CREATE TABLE order_items (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE, qty int DEFAULT 1);
CREATE TABLE invoices (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE SET NULL);
CREATE TABLE refunds (id int PRIMARY KEY, order_id int DEFAULT 0 REFERENCES orders ON DELETE SET DEFAULT);
CREATE TABLE tags (customer_code text REFERENCES customers (code) ON UPDATE CASCADE ON DELETE CASCADE, tag text);
CREATE TABLE employees (id int PRIMARY KEY, boss int REFERENCES employees ON DELETE SET NULL);
CREATE TABLE plain (id int PRIMARY KEY, v text);
CREATE TABLE audit (id serial, what text);
CREATE TABLE audit_of_audit (n int);
CREATE TABLE "Odd Names"."Ünï.cödé ""x""" (id int, "select" text);

CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit (what) VALUES (TG_OP);
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER audit_orders AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE FUNCTION count_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE audit_of_audit SET n = n + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER audit_audit AFTER INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION count_audit();
CREATE TRIGGER emptied AFTER TRUNCATE ON plain FOR EACH STATEMENT EXECUTE FUNCTION count_audit();

CREATE TABLE late (id int);
CREATE TABLE late_log (id int);
CREATE FUNCTION log_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO late_log VALUES (NEW.id); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER log_late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_late();

CREATE TABLE dyn (id int);
CREATE TABLE dyn_target (id int);
CREATE FUNCTION dyn_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'INSERT INTO dyn_' || 'target VALUES ($1)' USING NEW.id; RETURN NEW; END $$;
CREATE TRIGGER dyn_row BEFORE INSERT ON dyn FOR EACH ROW EXECUTE FUNCTION dyn_row();

CREATE TABLE whens (id int);
CREATE TABLE when_log (id int);
CREATE FUNCTION log_when(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO when_log VALUES (i); RETURN false; END $$;
CREATE TRIGGER whens AFTER INSERT ON whens FOR EACH ROW WHEN (log_when(NEW.id)) EXECUTE FUNCTION audit_row();

CREATE TABLE events (id int, day date, v text) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
CREATE TABLE events_2_a PARTITION OF events_2 FOR VALUES IN (1, 2);
CREATE TABLE events_2_b PARTITION OF events_2 DEFAULT;
CREATE TABLE moved (what text);
CREATE FUNCTION log_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO moved VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER moved AFTER DELETE ON events_1 FOR EACH ROW EXECUTE FUNCTION log_moved();

CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_notes (id int, day date, FOREIGN KEY (id, day) REFERENCES parts ON DELETE CASCADE ON UPDATE CASCADE);

CREATE TABLE animals (id int, name text);
CREATE TABLE dogs (breed text) INHERITS (animals);
CREATE TABLE puppies (age int) INHERITS (dogs);
CREATE TABLE dog_log (id int);
CREATE FUNCTION log_dog() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO dog_log VALUES (OLD.id); RETURN NULL; END $$;
CREATE TRIGGER log_dog AFTER UPDATE OR DELETE ON dogs FOR EACH ROW EXECUTE FUNCTION log_dog();

CREATE TABLE notes (id int, note text);
CREATE TABLE notes_log (id int, was text);
CREATE TABLE notes_gone (id int);
CREATE RULE log_notes AS ON UPDATE TO notes DO ALSO INSERT INTO notes_log VALUES (OLD.id, OLD.note);
CREATE RULE keep_notes AS ON DELETE TO notes DO INSTEAD (INSERT INTO notes_gone VALUES (OLD.id); DELETE FROM notes_log WHERE id = OLD.id);

CREATE VIEW open_orders AS SELECT id, customer_id, status FROM orders WHERE status = 'open';
CREATE VIEW open_of AS SELECT o.id, o.customer_id FROM open_orders o WHERE o.customer_id > 0;
CREATE VIEW order_lines AS SELECT o.id, o.status, i.id AS item, i.qty FROM orders o JOIN order_items i ON i.order_id = o.id;
CREATE FUNCTION write_line() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE order_items SET qty = NEW.qty WHERE id = OLD.item; RETURN NEW; END $$;
CREATE TRIGGER write_line INSTEAD OF UPDATE ON order_lines FOR EACH ROW EXECUTE FUNCTION write_line();
CREATE VIEW ruled AS SELECT id FROM plain;
CREATE RULE ruled AS ON INSERT TO ruled DO INSTEAD INSERT INTO notes VALUES (NEW.id, 'by rule');
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id;
CREATE VIEW totals_of AS SELECT * FROM totals WHERE n > 0;
CREATE RECURSIVE VIEW chain (id) AS SELECT id FROM employees WHERE boss IS NULL UNION ALL SELECT e.id FROM employees e JOIN chain c ON e.boss = c.id;

CREATE TABLE fn_log (what text);
CREATE FUNCTION writer(i int) RETURNS int LANGUAGE sql AS $$ INSERT INTO fn_log VALUES ('sql ' || i); SELECT i $$;
CREATE FUNCTION outer_writer(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN writer(i) + 1; END $$;
CREATE FUNCTION stable_over_writer(i int) RETURNS int LANGUAGE sql STABLE AS $$ SELECT writer(i) $$;
CREATE FUNCTION atomic_writer(i int) RETURNS int LANGUAGE sql BEGIN ATOMIC INSERT INTO fn_log VALUES ('atomic ' || i); SELECT i; END;
CREATE FUNCTION returns_writer(i int) RETURNS int LANGUAGE sql RETURN writer(i);
CREATE FUNCTION dynamic_writer(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('INSERT INTO %I VALUES (''dyn'')', t); END $$;
CREATE FUNCTION by_default(i int, j int DEFAULT writer(7)) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + j';
CREATE PROCEDURE bump(i int) LANGUAGE plpgsql AS $$ BEGIN UPDATE plain SET v = v || i::text; PERFORM writer(i); END $$;
CREATE FUNCTION touch(c customers) RETURNS int LANGUAGE sql AS $$ INSERT INTO fn_log VALUES ('touched ' || c.id); SELECT 1 $$;
CREATE FUNCTION step(s int, i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fn_log VALUES ('step'); RETURN s + i; END $$;
CREATE AGGREGATE writing_sum(int) (SFUNC = step, STYPE = int, INITCOND = '0');
CREATE FUNCTION writing_plus(a text, b int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fn_log VALUES ('plus'); RETURN a; END $$;
CREATE OPERATOR |+| (LEFTARG = text, RIGHTARG = int, FUNCTION = writing_plus);
CREATE VIEW writing_view AS SELECT writer(id) AS w FROM plain;
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION pair_of(i int) RETURNS pair LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fn_log VALUES ('cast'); RETURN (i, i)::pair; END $$;
CREATE CAST (int AS pair) WITH FUNCTION pair_of(int);
CREATE FUNCTION positive(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fn_log VALUES ('domain'); RETURN i > 0; END $$;
CREATE DOMAIN positive AS int CHECK (positive(VALUE));
CREATE TABLE amounts (id int, amount positive);
CREATE TABLE defaults (id int, w int DEFAULT writer(1));
CREATE TABLE checked (id int CHECK (writer(id) > 0));
CREATE SCHEMA other;
CREATE TABLE other.fn_log (what text);
CREATE FUNCTION elsewhere() RETURNS void LANGUAGE sql SET search_path = other AS $$ INSERT INTO fn_log VALUES ('elsewhere') $$;
CREATE FUNCTION ddl() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE IF NOT EXISTS made_by_function (id int); DROP TABLE made_by_function; INSERT INTO plain VALUES (77, 'ddl'); END $$;

INSERT INTO customers VALUES (1, 'c1', 'one'), (2, 'c2', 'two');
INSERT INTO orders VALUES (0, NULL), (1, 1), (2, 1), (3, 2);
INSERT INTO order_items VALUES (1, 1), (2, 1), (3, 2), (4, 3);
INSERT INTO invoices VALUES (1, 1), (2, 3);
INSERT INTO refunds VALUES (1, 1), (2, 3);
INSERT INTO tags VALUES ('c1', 'x'), ('c2', 'y');
INSERT INTO employees VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO plain VALUES (1, 'a'), (2, 'b');
INSERT INTO audit_of_audit VALUES (0);
INSERT INTO events VALUES (1, '2024-05-05', 'a'), (1, '2025-05-05', 'b'), (9, '2025-05-05', 'c');
INSERT INTO parts VALUES (1, '2024-05-05');
INSERT INTO part_notes VALUES (1, '2024-05-05');
INSERT INTO animals VALUES (1, 'a'); INSERT INTO dogs VALUES (2, 'd', 'x'); INSERT INTO puppies VALUES (3, 'p', 'x', 1);
INSERT INTO notes VALUES (1, 'n'), (2, 'm');
INSERT INTO notes_log VALUES (1, 'n');
INSERT INTO "Odd Names"."Ünï.cödé ""x""" VALUES (1, 'x');
`

// catalogWrites are statements that change catalogSchema. Those marked as
// opaque hide what they do, and may count as changing everything; of all others
// the tables must be known by name.
var catalogWrites = []struct {
	sql    string
	opaque bool
}{
	{sql: `INSERT INTO plain VALUES (3, 'c')`},
	{sql: `UPDATE plain SET v = 'z' WHERE id = 1`},
	{sql: `DELETE FROM plain WHERE id = 1`},
	{sql: `TRUNCATE plain`},
	{sql: `INSERT INTO plain SELECT id + 10, name FROM customers`},
	{sql: `UPDATE plain SET v = c.name FROM customers c WHERE c.id = plain.id`},
	{sql: `DELETE FROM plain USING customers c WHERE c.id = plain.id`},
	{sql: `INSERT INTO plain VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET v = excluded.v`},
	{sql: `INSERT INTO plain VALUES (5, 'q') RETURNING id`},
	{sql: `MERGE INTO plain p USING customers c ON c.id = p.id WHEN MATCHED THEN UPDATE SET v = c.name WHEN NOT MATCHED THEN INSERT VALUES (c.id, 'm')`},
	{sql: `WITH gone AS (DELETE FROM plain RETURNING *) INSERT INTO notes SELECT * FROM gone`},
	{sql: `WITH x AS (INSERT INTO plain VALUES (8, 'x') RETURNING id) SELECT * FROM x`},
	{sql: `INSERT INTO "Odd Names"."Ünï.cödé ""x""" VALUES (2, 'y')`},
	{sql: `UPDATE "Odd Names"."Ünï.cödé ""x""" SET "select" = 'z'`},

	{sql: `DELETE FROM customers WHERE id = 1`},
	{sql: `UPDATE customers SET code = 'c9' WHERE id = 1`},
	{sql: `DELETE FROM orders WHERE id = 1`},
	{sql: `TRUNCATE customers CASCADE`, opaque: true},
	{sql: `DELETE FROM employees WHERE id = 1`},
	{sql: `INSERT INTO orders VALUES (9, 1)`},
	{sql: `INSERT INTO late VALUES (1)`},
	{sql: `INSERT INTO dyn VALUES (1)`, opaque: true},
	{sql: `INSERT INTO whens VALUES (1)`},

	{sql: `INSERT INTO events VALUES (5, '2024-06-06', 'n')`},
	{sql: `INSERT INTO events_2_b VALUES (6, '2025-06-06', 'n')`},
	{sql: `UPDATE events SET v = 'u'`},
	{sql: `UPDATE events SET day = '2025-07-07' WHERE day = '2024-05-05'`},
	{sql: `UPDATE events_2 SET id = 7 WHERE id = 1`},
	{sql: `DELETE FROM events_1`},
	{sql: `TRUNCATE events`},
	{sql: `TRUNCATE events_2`},
	{sql: `DELETE FROM parts`},
	{sql: `DELETE FROM parts_1`},
	{sql: `UPDATE parts SET id = 4`},
	{sql: `UPDATE parts_1 SET id = 4`},
	{sql: `UPDATE animals SET name = 'u'`},
	{sql: `DELETE FROM animals`},
	{sql: `UPDATE dogs SET name = 'u'`},
	{sql: `INSERT INTO puppies VALUES (4, 'p', 'x', 2)`},
	{sql: `DELETE FROM ONLY animals`},
	{sql: `TRUNCATE animals`},

	{sql: `UPDATE notes SET note = 'x'`},
	{sql: `DELETE FROM notes`},
	{sql: `INSERT INTO ruled VALUES (5)`},
	{sql: `UPDATE open_orders SET status = 'done' WHERE id = 1`},
	{sql: `DELETE FROM open_of WHERE id = 1`},
	{sql: `INSERT INTO open_of VALUES (20, 1)`},
	{sql: `UPDATE order_lines SET qty = 9`},

	{sql: `SELECT writer(1)`},
	{sql: `SELECT outer_writer(1)`},
	{sql: `SELECT stable_over_writer(1)`},
	{sql: `SELECT atomic_writer(1)`},
	{sql: `SELECT returns_writer(1)`},
	{sql: `SELECT dynamic_writer('fn_log')`, opaque: true},
	{sql: `SELECT by_default(1)`},
	{sql: `SELECT elsewhere()`},
	{sql: `SELECT * FROM writer(3)`},
	{sql: `SELECT c.touch FROM customers c`},
	{sql: `SELECT (c).touch FROM customers c`},
	{sql: `SELECT touch(c) FROM customers c`},
	{sql: `SELECT writing_sum(id) FROM plain`},
	{sql: `SELECT v |+| id FROM plain`},
	{sql: `SELECT v OPERATOR(public.|+|) id FROM plain`},
	{sql: `SELECT w FROM writing_view`},
	{sql: `SELECT id::pair FROM plain`},
	{sql: `SELECT CAST(id AS pair) FROM plain`},
	{sql: `SELECT id::positive FROM plain`},
	{sql: `INSERT INTO amounts VALUES (1, 1)`},
	{sql: `INSERT INTO defaults (id) VALUES (1)`},
	{sql: `INSERT INTO checked VALUES (1)`},
	{sql: `INSERT INTO plain VALUES (writer(30), 'f')`},
	{sql: `CALL bump(1)`},
	{sql: `DO $$ BEGIN UPDATE plain SET v = 'do'; PERFORM writer(2); END $$`},
	{sql: `DO $$ BEGIN EXECUTE 'UPDATE plain SET v = 1'; END $$`, opaque: true},
	{sql: `SELECT ddl()`, opaque: true},
	{sql: `INSERT INTO plain VALUES (40, 'a'); INSERT INTO notes VALUES (41, 'b')`},
	{sql: `SELECT query_to_xml('SELECT writer(5)', false, false, '')`, opaque: true},
	{sql: `EXPLAIN ANALYZE INSERT INTO plain VALUES (50, 'e')`, opaque: true},
	{sql: `SELECT * INTO made FROM plain`, opaque: true},
	{sql: `CREATE TABLE made AS SELECT writer(1)`, opaque: true},
}
