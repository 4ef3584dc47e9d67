package mlcache

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/mlcache/mlcache/cache"
)

// ParseEntryKeys reads keys for Config.EntryKeys as a key file has them: one in a
// line, as 64 hexadecimal digits or in base64, the one in use first and previous ones
// behind it; a line that begins with # is a comment. The error names a line and shows
// nothing of it.
//
//	openssl rand -hex 32 > /etc/shop/mlcache.key
func ParseEntryKeys(text string) ([][]byte, error) {
	var keys [][]byte
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := hex.DecodeString(line)
		if err != nil {
			key, err = base64.StdEncoding.DecodeString(line)
		}
		if err != nil || len(key) != cache.SealKeySize {
			return nil, fmt.Errorf("mlcache: line %d is no key of 32 bytes in hexadecimal or base64", n)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("mlcache: there is no key")
	}
	return keys, nil
}

// maxKeyFile is more than any key file has, in bytes.
const maxKeyFile = 64 << 10

// sealer makes what encrypts the entries in Redis; nil if nothing does.
func (c *Config) sealer() (*cache.Sealer, error) {
	keys := c.EntryKeys
	if c.EntryKeyFile != "" {
		if len(keys) > 0 {
			return nil, badValue("mlcache_key_file", c.EntryKeyFile, "Config.EntryKeys is set, too")
		}
		info, err := os.Stat(c.EntryKeyFile)
		if err != nil || info.Size() > maxKeyFile {
			return nil, badValue("mlcache_key_file", c.EntryKeyFile, "it cannot be read")
		}
		text, err := os.ReadFile(c.EntryKeyFile)
		if err != nil {
			return nil, badValue("mlcache_key_file", c.EntryKeyFile, "it cannot be read")
		}
		if keys, err = ParseEntryKeys(string(text)); err != nil {
			return nil, badValue("mlcache_key_file", c.EntryKeyFile, err.Error())
		}
		if info.Mode().Perm()&0o077 != 0 {
			c.Logger.Warn("mlcache: others than its owner may read the file of encryption keys", "file", c.EntryKeyFile)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	s, err := cache.NewSealer(keys[0], keys[1:]...)
	if err != nil {
		return nil, fmt.Errorf("mlcache: Config.EntryKeys: %w", err)
	}
	return s, nil
}
