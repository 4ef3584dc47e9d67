package orm

import (
	"database/sql"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/mlcache/mlcache/integration/harness"
)

// migrations are files as goose reads them.
var migrations = fstest.MapFS{
	"00001_notes.sql": {Data: []byte(`-- +goose Up
CREATE TABLE notes (id int PRIMARY KEY, body text);
INSERT INTO notes VALUES (1, 'first');
-- +goose Down
DROP TABLE notes;
`)},
	"00002_author.sql": {Data: []byte(`-- +goose Up
ALTER TABLE notes ADD COLUMN author text NOT NULL DEFAULT 'nobody';
-- +goose StatementBegin
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.body := upper(NEW.body);
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER shout BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION shout();
-- +goose Down
DROP TRIGGER shout ON notes;
DROP FUNCTION shout();
ALTER TABLE notes DROP COLUMN author;
`)},
	"00003_index.sql": {Data: []byte(`-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY notes_author ON notes (author);
-- +goose Down
DROP INDEX CONCURRENTLY notes_author;
`)},
}

func gooseRound(t testing.TB, db *sql.DB, n *notebook) {
	ctx := harness.Context(t)
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	n.do("provider", err)
	see := func(when string) {
		n.see(when+": notes", func() (any, error) {
			r := harness.TryQuery(ctx, db, "SELECT * FROM notes ORDER BY id")
			return r.String(), nil
		})
		n.see(when+": version", func() (any, error) { return p.GetDBVersion(ctx) })
	}
	see("empty")
	for _, step := range []string{"one", "two", "three"} {
		_, err := p.UpByOne(ctx)
		n.do("up by one", err)
		see("up " + step)
	}
	harness.Exec(t, db, "INSERT INTO notes (id, body) VALUES (2, 'quiet')")
	see("written")
	_, err = p.DownTo(ctx, 1)
	n.do("down", err)
	see("down")
	_, err = p.Up(ctx)
	n.do("up", err)
	see("at the end")
}
