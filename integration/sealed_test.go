package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"database/sql"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// keyFile writes a file of new keys, or of those given.
func keyFile(t testing.TB, keys ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("# of a test\n"+strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newKey() string {
	var key [32]byte
	rand.Read(key[:])
	return hex.EncodeToString(key[:])
}

// namespaceKeys are the names of what Redis holds of a namespace.
func namespaceKeys(t testing.TB, client *redis.Client, namespace, kind string) []string {
	t.Helper()
	var names []string
	iter := client.Scan(t.Context(), 0, namespace+kind+"*", 1000).Iterator()
	for iter.Next(t.Context()) {
		names = append(names, iter.Val())
	}
	if err := iter.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// readsL2 says whether a fresh pool finds the answer in Redis. It must be right, and
// no query may fail.
func readsL2(t testing.TB, dsn, query string, want harness.Result, args ...any) bool {
	t.Helper()
	db, err := sql.Open("mlcache", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	untilServing(t, db)
	before := stats(t, db)
	harness.Same(t, query, harness.Query(t, db, query, args...), want)
	return since(before, stats(t, db)).L2Hits == 1
}

func TestEntriesInRedisAreSealed(t *testing.T) {
	t.Parallel()
	for _, consistency := range []string{"bounded", "strict"} {
		t.Run(consistency, func(t *testing.T) {
			t.Parallel()
			const secret = "4111-1111-1111-1111"
			dsn := harness.NewDatabase(t, warmup, "CREATE TABLE card (n text, owner text)",
				"INSERT INTO card VALUES ('"+secret+"', 'first owner'), ('other', 'second owner')")
			const query = "SELECT owner, n FROM card WHERE n = $1"
			namespace := harness.NewNamespace(t)
			open := harness.With(withPatientRedis(t, dsn, "mlcache_consistency", consistency), "mlcache_namespace", namespace)
			sealed := func(keys ...string) string { return harness.With(open, "mlcache_key_file", keyFile(t, keys...)) }
			options, err := redis.ParseURL(harness.RedisURL())
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(options)
			defer client.Close()
			pgx := harness.Open(t, "pgx", dsn)
			want := harness.Query(t, pgx, query, secret)

			a, b := newKey(), newKey()
			fill := func(dsn string) {
				t.Helper()
				for _, name := range namespaceKeys(t, client, namespace, ":e:") {
					client.Del(t.Context(), name)
				}
				harness.Eventually(t, settling, "the answer in Redis", func() bool { return readsL2(t, dsn, query, want, secret) })
			}
			fill(sealed(a))
			names := namespaceKeys(t, client, namespace, ":e:")
			if len(names) < 1 {
				t.Fatal("nothing in Redis")
			}
			values := make(map[string][]byte)
			for _, name := range names {
				values[name], err = client.Get(t.Context(), name).Bytes()
				if err != nil {
					t.Fatal(err)
				}
				for _, plain := range []string{secret, "owner", "first"} {
					if strings.Contains(name, plain) || bytes.Contains(values[name], []byte(plain)) {
						t.Errorf("Redis shows %q in %s", plain, name)
					}
				}
			}
			// Rotation: the new key first, the old one behind it.
			if !readsL2(t, sealed(b, a), query, want, secret) {
				t.Error("the previous key does not open")
			}
			if readsL2(t, sealed(b), query, want, secret) {
				t.Error("another key opens")
			}
			// That pool has sealed its own answer in its place.
			harness.Eventually(t, settling, "the other key's answer", func() bool { return readsL2(t, sealed(b), query, want, secret) })

			// A forger who can write to Redis, but has no key, makes an answer of a pool without
			// one, or takes that of another question.
			fill(open)
			if readsL2(t, sealed(a), query, want, secret) {
				t.Error("an answer that is not encrypted counts")
			}
			fill(sealed(a))
			other := harness.Query(t, pgx, query, "other")
			harness.Eventually(t, settling, "the other answer in Redis", func() bool { return readsL2(t, sealed(a), query, other, "other") })
			all := namespaceKeys(t, client, namespace, ":e:")
			for i, name := range all {
				raw := client.Get(context.Background(), all[(i+1)%len(all)]).Val()
				client.Set(t.Context(), name, raw, redis.KeepTTL)
			}
			if readsL2(t, sealed(a), query, want, secret) {
				t.Error("an answer that was moved counts")
			}
			// A pool without keys takes nothing from one with them.
			fill(sealed(a))
			if readsL2(t, open, query, want, secret) {
				t.Error("an encrypted answer counts where nothing is decrypted")
			}
		})
	}
}

// What is wrong with a key file is said without a word of its content.
func TestBadKeyFile(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup)
	for name, file := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "none"), "empty": keyFile(t), "short": keyFile(t, newKey()[:62]), "no key": keyFile(t, newKey(), "correct horse battery staple"),
	} {
		_, err := sql.Open("mlcache", harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_key_file", file))
		if err == nil || !strings.Contains(err.Error(), "mlcache_key_file") || strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw := bytes.Repeat([]byte{7}, 32)
	good := keyFile(t, base64.StdEncoding.EncodeToString(raw))
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_key_file", good))
	untilServing(t, db)
}
