package redisclient

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Identity brings the different ways to write one server's URL to one form,
// without the credentials and options: two pools that mean the same Redis must
// share their versions.
func Identity(raw string) string {
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

// Redact replaces whatever can be a user's password, also in a URL that does
// not parse.
func Redact(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if strings.Contains(s, "@") {
			return "xxxxx" + s[strings.LastIndexByte(s, '@'):]
		}
		return s
	}
	head, query, hasQuery := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if at >= len(head) { // an unescaped ? inside the password
			return scheme + "://xxxxx" + rest[at:]
		}
		head = "xxxxx" + head[at:]
	}
	if hasQuery {
		parts := strings.Split(query, "&")
		for i, p := range parts {
			if k, _, _ := strings.Cut(p, "="); strings.Contains(strings.ToLower(k), "pass") {
				parts[i] = k + "=xxxxx"
			}
		}
		head += "?" + strings.Join(parts, "&")
	}
	return scheme + "://" + head
}
