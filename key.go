package mlcache

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/internal/cachekey"
)

// needSettings reads the settings whose values are not known yet.
func (c *conn) needSettings(ctx context.Context, names []string) error {
	for _, name := range names {
		if _, ok := c.custom[name]; ok {
			continue
		}
		q, err := c.asker(ctx)
		if err != nil {
			return err
		}
		if c.session == nil {
			return errUnknownSession // it opened as another one; the next read knows
		}
		values, err := readSettings(ctx, q, names)
		if err != nil {
			return err
		}
		if c.custom == nil {
			c.custom = values
		} else {
			maps.Copy(c.custom, values)
		}
		break
	}
	return nil
}

// maxKeyBuf keeps one large argument from taking memory for as long as its connection lives.
const maxKeyBuf = 2 * cache.MaxKeySize

// makeKey encodes who asks, what, and with which arguments. The key is exact: no
// two questions share one. Arguments whose Value method has been called for it
// are replaced in l.args by what it returned, also if there is no key.
func (c *conn) makeKey(l *lookup) Reason {
	if c.registers {
		c.noticeTypes()
	}
	e := c.argEncoder(append(c.keyBuf[:0], c.engine.place.prefix[:]...))
	e.Key = c.appendQuestion(e.Key, l)
	owned := false
	for i := range l.args {
		sent, reason := e.Arg(&l.args[i])
		if memo, ok := sent.(cachekey.Memo); ok {
			if !owned {
				l.args, owned = slices.Clone(l.args), true
			}
			l.args[i].Value = memo
		}
		if reason != "" {
			return reason
		}
	}
	if cap(e.Key) <= maxKeyBuf {
		c.keyBuf = e.Key
	}
	if len(e.Key) > cache.MaxKeySize {
		return ReasonArgument
	}
	l.setKey(e.Key)
	l.mutable = e.Mutable
	return ""
}

// setKey takes the key in memory.
func (l *lookup) setKey(here []byte) { l.here, l.key = here, here[len(place{}.prefix):] }

func (c *conn) argEncoder(dst []byte) cachekey.Encoder {
	if c.connector == nil {
		return cachekey.Encoder{Key: dst} // a key for an answer that is there already
	}
	plain := c.connector.plain && !c.lent && !c.types.any
	return cachekey.Encoder{Key: dst, PlainPgx: plain, IsPgx: c.connector.plain || c.db.Pgx != nil}
}

// appendQuestion appends all that is asked but the arguments.
func (c *conn) appendQuestion(key []byte, l *lookup) []byte {
	key = append(key, l.session.id[:]...)
	key = append(key, l.plan.digest[:]...)
	for _, name := range l.plan.settings {
		key = cache.AppendString(key, c.custom[name])
	}
	key = binary.AppendUvarint(key, uint64(len(l.args)))
	if c.types.any && len(l.args) > 0 {
		key = append(key, c.types.id[:]...) // by which they are sent
	}
	return key
}

// stillAsked says whether the arguments are what they were when the key was made.
// pgx has encoded them in between.
func (c *conn) stillAsked(l *lookup) bool {
	e := c.argEncoder(make([]byte, 0, len(l.key)))
	e.Key = c.appendQuestion(e.Key, l)
	for i := range l.args {
		if _, reason := e.Arg(&l.args[i]); reason != "" {
			return false
		}
	}
	return bytes.Equal(e.Key, l.key)
}

// loadStamps reads the versions that the answer depends on, as they are now. The
// first stamp ties the entry to its key, so that bytes that turn up under
// another key are no answer.
func (c *conn) loadStamps(l *lookup) {
	c.loadVersions(l)
	l.stamps[0] = keyStamp(l.key)
}

// loadVersions is loadStamps without the first stamp, which is left as zero: nothing
// is good under it.
func (c *conn) loadVersions(l *lookup) {
	stamps := append(c.stampBuf[:0], 0)
	for _, cell := range l.plan.cells {
		stamps = append(stamps, cell.Load())
	}
	c.stampBuf = stamps
	l.stamps = stamps
}

// keyStamp is the stamp of a key, never zero.
func keyStamp(key []byte) uint64 { return max(xxhash.Sum64(key), 1) }
