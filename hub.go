package mlcache

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// hub holds what all Connectors of a process share that have the same namespace
// and the same Redis: the versions. So a write through one *sql.DB is seen at
// once by reads through another.
type hub struct {
	key      hubKey
	client   redis.UniversalClient // nil without Redis
	versions *invalidation.Versions
	users    int

	// schemaListeners are told when the schema changes. versions itself has one
	// listener only, since it keeps those for as long as it lives.
	listening       sync.Mutex
	schemaListeners map[*hubRef]func()
}

func (h *hub) schemaChanged() {
	h.listening.Lock()
	defer h.listening.Unlock()
	for _, f := range h.schemaListeners {
		f()
	}
}

type hubKey struct{ namespace, redis, mode string }

var hubs = struct {
	sync.Mutex
	open map[hubKey]*hub
}{open: make(map[hubKey]*hub)}

// redisIdentity brings the different ways to write one server's URL to one form,
// without the credentials and options: two pools that mean the same Redis must
// share their versions.
func redisIdentity(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw // a socket's path
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "localhost" || host == "::1" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "6379"
	}
	query := u.Query()
	db := strings.Trim(u.Path, "/")
	if d := query.Get("db"); d != "" {
		db = d
	}
	if db == "0" {
		db = ""
	}
	more := query["addr"]
	slices.Sort(more)
	return strings.Join(append([]string{net.JoinHostPort(host, port), db, query.Get("master_name")}, more...), " ")
}

func acquireHub(cfg *Config) (*hubRef, error) {
	key := hubKey{cfg.Namespace, redisIdentity(cfg.Redis), cfg.RedisMode}
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.open[key]
	if h == nil {
		h = &hub{key: key, schemaListeners: make(map[*hubRef]func())}
		if cfg.Redis != "" {
			client, err := newRedisClient(cfg)
			if err != nil {
				return nil, err
			}
			h.client = client
		}
		v, err := invalidation.Open(invalidation.Config{
			Client:       h.client,
			Namespace:    cfg.Namespace,
			MaxStaleness: cfg.MaxStaleness,
			Logger:       cfg.Logger,
		})
		if err != nil {
			if h.client != nil {
				h.client.Close()
			}
			return nil, err
		}
		h.versions = v
		v.OnChange(scopeSchema, h.schemaChanged)
		hubs.open[key] = h
	}
	h.users++
	h.versions.Tighten(cfg.MaxStaleness)
	return &hubRef{hub: h, versions: h.versions, client: h.client}, nil
}

// hubRef is one Connector's hold on a hub.
type hubRef struct {
	hub      *hub
	versions *invalidation.Versions
	client   redis.UniversalClient
	once     sync.Once
	err      error
}

// onSchemaChange makes f run after each change of the schema, until release. f
// must not block.
func (r *hubRef) onSchemaChange(f func()) {
	r.hub.listening.Lock()
	defer r.hub.listening.Unlock()
	r.hub.schemaListeners[r] = f
}

func (r *hubRef) release() error {
	r.once.Do(func() {
		r.hub.listening.Lock()
		delete(r.hub.schemaListeners, r)
		r.hub.listening.Unlock()
		hubs.Lock()
		r.hub.users--
		last := r.hub.users == 0
		if last {
			delete(hubs.open, r.hub.key)
		}
		hubs.Unlock()
		if !last {
			return
		}
		r.err = r.hub.versions.Close()
		if r.hub.client != nil {
			r.err = errors.Join(r.err, r.hub.client.Close())
		}
	})
	return r.err
}
