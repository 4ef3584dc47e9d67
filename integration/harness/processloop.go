package harness

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/mlcache/mlcache"
)

// serveProcess is the other side of Process: it answers requests until its input
// ends and returns the exit code.
func serveProcess(in io.Reader, out io.Writer) int {
	s := &processState{}
	defer s.close()
	requests, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q request
		switch err := requests.Decode(&q); {
		case err == io.EOF:
			return 0
		case err != nil:
			fmt.Fprintln(os.Stderr, "process of a test:", err)
			return 1
		}
		r, err := s.serve(q)
		if err != nil {
			r.Err = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			fmt.Fprintln(os.Stderr, "process of a test:", err)
			return 1
		}
	}
}

type processState struct {
	db *sql.DB
	tx *sql.Tx
}

func (s *processState) close() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
}

func (s *processState) serve(q request) (r reply, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args, err := decodeArgs(q.Args)
	if err != nil {
		return r, err
	}
	r.Start = time.Now()
	defer func() { r.Elapsed = time.Since(r.Start) }()
	switch q.Op {
	case "open":
		s.db, err = sql.Open(q.Driver, q.DSN)
	case "query":
		r.Result = TryQuery(ctx, s.target(), q.SQL, args...)
	case "exec":
		var result sql.Result
		if result, err = s.target().ExecContext(ctx, q.SQL, args...); err == nil {
			r.RowsAffected, err = result.RowsAffected()
		}
	case "begin":
		// Not under ctx, whose end would roll the transaction back.
		s.tx, err = s.db.BeginTx(context.Background(), nil)
	case "commit":
		err = s.tx.Commit()
		s.tx = nil
	case "rollback":
		err = s.tx.Rollback()
		s.tx = nil
	case "stats", "invalidate":
		var h *mlcache.Handle
		if h, err = mlcache.From(s.db); err != nil {
			return r, err
		}
		if q.Op == "stats" {
			r.Stats = h.Stats()
			return r, nil
		}
		tables := make([]string, len(args))
		for i, a := range args {
			tables[i] = a.(string)
		}
		err = h.Invalidate(ctx, tables...)
	default:
		err = fmt.Errorf("unknown request %q", q.Op)
	}
	return r, err
}

// target is the transaction while there is one.
func (s *processState) target() interface {
	Queryer
	Execer
} {
	if s.tx != nil {
		return s.tx
	}
	return s.db
}

// arg carries an argument with its Go type, which plain JSON would lose.
type arg struct {
	Kind string
	Text string
}

func encodeArgs(args []any) []arg {
	out := make([]arg, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case nil:
			out[i] = arg{Kind: "null"}
		case int:
			out[i] = arg{"int64", strconv.Itoa(v)}
		case int64:
			out[i] = arg{"int64", strconv.FormatInt(v, 10)}
		case float64:
			out[i] = arg{"float64", strconv.FormatFloat(v, 'g', -1, 64)}
		case bool:
			out[i] = arg{"bool", strconv.FormatBool(v)}
		case string:
			out[i] = arg{"string", v}
		case []byte:
			out[i] = arg{"bytes", hex.EncodeToString(v)}
		case time.Time:
			out[i] = arg{"time", v.Format(time.RFC3339Nano)}
		default:
			panic(fmt.Sprintf("harness: no argument of type %T can be sent to a process", a))
		}
	}
	return out
}

func decodeArgs(args []arg) (out []any, err error) {
	for _, a := range args {
		var v any
		switch a.Kind {
		case "null":
		case "int64":
			v, err = strconv.ParseInt(a.Text, 10, 64)
		case "float64":
			v, err = strconv.ParseFloat(a.Text, 64)
		case "bool":
			v, err = strconv.ParseBool(a.Text)
		case "string":
			v = a.Text
		case "bytes":
			v, err = hex.DecodeString(a.Text)
		case "time":
			v, err = time.Parse(time.RFC3339Nano, a.Text)
		default:
			err = fmt.Errorf("unknown kind of argument %q", a.Kind)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
