package mlcache

import (
	"context"
	"encoding/binary"
	"maps"

	"github.com/cespare/xxhash/v2"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/sqlinfo"
)

// needSettings reads the settings whose values are not known yet.
func (c *conn) needSettings(ctx context.Context, names []string) error {
	for _, name := range names {
		if _, ok := c.custom[name]; ok {
			continue
		}
		if err := c.open(ctx); err != nil {
			return err
		}
		if c.session == nil {
			return errUnknownSession // it opened as another one; the next read knows
		}
		values, err := readSettings(ctx, newQuerier(c.origin), names)
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

// makeKey encodes who asks, what, and with which arguments. The key is exact: no
// two questions share one.
func (c *conn) makeKey(l *lookup) Reason {
	key := append(c.keyBuf[:0], l.session.id[:]...)
	key = append(key, l.plan.digest[:]...)
	for _, name := range l.plan.settings {
		key = cache.AppendString(key, c.custom[name])
	}
	key = binary.AppendUvarint(key, uint64(len(l.args)))
	for i := range l.args {
		v := l.args[i].Value
		switch v := v.(type) {
		case string:
			if sqlinfo.SpecialDate(v) {
				return ReasonDateArgument
			}
		case []byte:
			if sqlinfo.SpecialDate(string(v)) {
				return ReasonDateArgument
			}
		}
		var ok bool
		if key, ok = cache.AppendArg(key, v); !ok || l.args[i].Name != "" {
			return ReasonArgument
		}
	}
	c.keyBuf = key
	if len(key) > cache.MaxKeySize {
		return ReasonArgument
	}
	l.key = key
	return ""
}

// loadStamps reads the versions that the answer depends on, as they are now. The
// first stamp ties the entry to its key, so that bytes that turn up under
// another key are no answer.
func (c *conn) loadStamps(l *lookup) {
	sum := xxhash.Sum64(l.key)
	if sum == 0 {
		sum = 1
	}
	stamps := append(c.stampBuf[:0], sum)
	for _, cell := range l.plan.cells {
		stamps = append(stamps, cell.Load())
	}
	c.stampBuf = stamps
	l.stamps = stamps
}
