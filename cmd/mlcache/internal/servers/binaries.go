package servers

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// places is where binaries are looked for.
type places struct {
	// path looks a name up on the PATH.
	path func(string) (string, error)
	// postgres and redis are glob patterns of folders.
	postgres, redis []string
}

// machinePlaces lists where the usual packages put servers that are not on the
// PATH.
func machinePlaces() *places {
	return &places{
		path: exec.LookPath,
		postgres: []string{
			"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
			"/usr/pgsql-*/bin",                                   // the PostgreSQL project's RPMs
			"/usr/lib/postgresql*/bin",                           // SUSE, Arch
			"/usr/libexec/postgresql*",                           // Alpine
			"/usr/local/pgsql/bin",                               // built from source
			"/usr/local/bin",                                     // BSD ports
			"/usr/bin",                                           // Fedora
			"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew, Apple silicon
			"/usr/local/opt/postgresql*/bin",                     // Homebrew, Intel
			"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew, Linux
			"/opt/local/lib/postgresql*/bin",                     // MacPorts
			"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
			`C:\Program Files\PostgreSQL\*\bin`,
		},
		redis: []string{
			"/usr/bin", "/usr/sbin", "/usr/local/bin",
			"/opt/homebrew/bin", "/opt/homebrew/opt/redis*/bin", "/opt/homebrew/opt/valkey*/bin",
			"/usr/local/opt/redis*/bin", "/home/linuxbrew/.linuxbrew/bin", "/opt/local/bin",
		},
	}
}

// postgresBin returns the folder that holds both postgres and initdb: the one on
// the PATH, else the newest version, else "".
func (p *places) postgresBin() string {
	if path, err := p.path("postgres"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil && executable(filepath.Dir(resolved), "initdb") {
			return filepath.Dir(resolved)
		}
		if executable(filepath.Dir(path), "initdb") {
			return filepath.Dir(path)
		}
	}
	dirs := glob(p.postgres)
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
	for _, dir := range dirs {
		if executable(dir, "postgres") && executable(dir, "initdb") {
			return dir
		}
	}
	return ""
}

// redisBin returns the path of a Redis or Valkey server, or "".
func (p *places) redisBin() string {
	names := []string{"redis-server", "valkey-server"}
	for _, name := range names {
		if path, err := p.path(name); err == nil {
			return path
		}
	}
	for _, dir := range glob(p.redis) {
		for _, name := range names {
			if executable(dir, name) {
				return filepath.Join(dir, exe(name))
			}
		}
	}
	return ""
}

func glob(patterns []string) []string {
	var dirs []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // the patterns are constants: they parse
		dirs = append(dirs, found...)
	}
	return dirs
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)?`)

// versionIn returns the last number in a path (15, 9.6), or -1.
func versionIn(path string) float64 {
	numbers := versionNumber.FindAllString(path, -1)
	if len(numbers) == 0 {
		return -1
	}
	v, err := strconv.ParseFloat(numbers[len(numbers)-1], 64)
	if err != nil {
		return -1
	}
	return v
}

func executable(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, exe(name)))
	return err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}

func exe(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}
