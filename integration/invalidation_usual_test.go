package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// The script carries out what nearly every call is in a short way of its own. Whatever has happened before, it leaves and
// answers and publishes there what the long way does, which has everything: two namespaces have the same calls, one of
// them without the short way.
func TestUsualCallsAreCarriedOutAlike(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	client := redisWith(t, server.URL(), patientTimeouts)
	text, err := os.ReadFile("../invalidation/versions.lua")
	if err != nil {
		t.Fatal(err)
	}
	const short = "local done = usual()\nif done then return done end\n"
	without := func(instead string) *redis.Script {
		s := strings.Replace(string(text), short, instead, 1)
		if s == string(text) {
			t.Fatal("the script has no short way any more")
		}
		return redis.NewScript(s)
	}
	sides := []*scriptSide{
		{client: client, key: "{short}:v", script: without("local done = usual()\nif done then call('INCR', key .. ':usual') return done end\n")},
		{client: client, key: "{long}:v", script: without("")},
	}
	for _, s := range sides {
		sub := client.Subscribe(t.Context(), s.key)
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.bus = sub.Channel()
	}

	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	scopes := []string{"t", "u", "public.long name: with ; and !", "*", "z"}
	some := func(least, most int) []string {
		random.Shuffle(len(scopes), func(i, k int) { scopes[i], scopes[k] = scopes[k], scopes[i] })
		names := slices.Clone(scopes[:least+random.IntN(most+1-least)])
		return append([]string{strconv.Itoa(len(names))}, names...)
	}
	begin := func() {
		for _, s := range sides {
			if err := client.Del(t.Context(), s.key).Err(); err != nil {
				t.Fatal(err)
			}
			s.births = nil
			s.call(t, "read", "1", scopes, false)
			// A namespace that begins beside a young Redis is in quarantine.
			if err := client.HSet(t.Context(), s.key, "u", "0").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	const calls, atOnce = 3000, 30 // then something stands that is not released
	var history []string
	var usual [][]string // to be called next
	for n := 0; n < calls; {
		if n%atOnce == 0 && len(usual) == 0 {
			begin()
			history = nil
		}
		lease := "3600000"
		if random.IntN(40) == 0 {
			lease = "1" // it has ended when the next call comes
		}
		id := one("x", "x", "y")
		var op string
		var args []string
		switch {
		case len(usual) > 0:
			op, args, usual = usual[0][0], usual[0], usual[1:]
		case random.IntN(3) > 0: // as writers do, some of them with others behind the same fence
			set := some(1, 4)
			usual = append(usual, append([]string{"fence", id}, set...))
			for _, ids := range [][]string{{id}, {"!" + id}, {"", id}}[random.IntN(3)] {
				usual = append(usual, append([]string{"release", ids, "c", "", one("", "t"), "the version"}, set...))
			}
			continue
		default:
			switch op = one("fence", "fence", "release", "release", "read", "renew"); op {
			case "fence", "renew":
				args = append([]string{op, id}, some(0, 5)...)
				if random.IntN(50) == 0 {
					args = []string{op, id, "*"}
				}
			case "release":
				ids := one(id, id, "!"+id, "", "x,y", "!x,y")
				assumed, version := one("", "t", "nobody"), one("the version", "the version", "", "0123456789abcdef")
				wide := ""
				if random.IntN(20) == 0 {
					wide = "*"
				}
				args = append([]string{op, ids, one("c", "c", "r", "u"), wide, assumed, version}, some(1, 5)...)
			case "read":
				args = some(0, 4)[1:]
			}
		}
		n++
		history = append(history, fmt.Sprintf("%s, lease %s: %q", op, lease, args))
		listens := random.IntN(2) == 0
		var said [2]string
		for i, s := range sides {
			said[i] = s.call(t, op, lease, args, listens)
		}
		if said[0] != said[1] {
			t.Fatalf("seed %d, %d calls, the last of which %s:\nshort: %s\nlong:  %s", seed, len(history), strings.Join(history[max(0, len(history)-6):], "\n"), said[0], said[1])
		}
		if lease == "1" {
			time.Sleep(3 * time.Millisecond)
		}
	}
	n, err := client.Get(t.Context(), sides[0].key+":usual").Int()
	t.Logf("seed %d: %d of %d calls took the short way", seed, n, calls)
	if err != nil || n < calls/10 || n > calls*9/10 {
		t.Errorf("%d of %d calls took the short way, which shows too little: %v", n, calls, err)
	}
}

// scriptSide is a namespace whose versions a variant of the script keeps.
type scriptSide struct {
	client redis.UniversalClient
	key    string
	script *redis.Script
	bus    <-chan *redis.Message
	births []string
}

var (
	aNonce = regexp.MustCompile(`[0-9a-f]{16}`)
	anEnd  = regexp.MustCompile(`:[0-9]{13,}`)
	aWhile = regexp.MustCompile(` [1-9][0-9]{5,6}( |$)`)
)

// call makes a call and returns what it has answered, left and published, with versions and times made comparable.
func (s *scriptSide) call(t *testing.T, op, lease string, args []string, listens bool) string {
	t.Helper()
	channel := s.key
	if listens {
		channel = "!" + channel // then nobody else does
	}
	ctx := t.Context()
	birth, err := s.client.HMGet(ctx, s.key, "b", "st", "p").Result()
	if err != nil {
		t.Fatal(err)
	}
	known, _ := birth[0].(string)
	all := []any{op, fmt.Sprintf("%032x", rand.Uint64()), lease, channel, known}
	for _, a := range args {
		if a == "the version" {
			a, _ = birth[1].(string)
			a = a[:min(len(a), 16)]
		}
		all = append(all, a)
	}
	answer, err := s.script.Run(ctx, s.client, []string{s.key}, all...).StringSlice()
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.client.HGetAll(ctx, s.key).Result()
	if err != nil {
		t.Fatal(err)
	}
	message := ""
	if was, _ := birth[2].(string); left["p"] != was {
		select {
		case m := <-s.bus:
			message = m.Payload
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was published")
		}
	}
	said := fmt.Sprintf("%q", answer) + "\n" + message + "\n"
	for _, field := range slices.Sorted(maps.Keys(left)) {
		said += fmt.Sprintf("%s %q\n", field, left[field])
	}
	// A version is told by when it was seen first.
	names := map[string]string{}
	for _, b := range s.births {
		names[b] = fmt.Sprintf("N%d", len(names))
	}
	said = aNonce.ReplaceAllStringFunc(said, func(n string) string {
		if names[n] == "" {
			names[n] = fmt.Sprintf("N%d", len(names))
			s.births = append(s.births, n)
		}
		return names[n]
	})
	said = anEnd.ReplaceAllString(said, ":end")
	return aWhile.ReplaceAllString(strings.ReplaceAll(said, `"`, " "), " while ")
}
