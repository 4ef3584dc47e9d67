package suite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/chart"
)

// growProcesses counts what one write makes Redis send when more and more
// processes have to learn of it. They read another table all the time, so none of
// it is theirs: whoever does not read does not ask Redis. What they ask anyway is
// taken off.
func growProcesses(ctx context.Context, e *Env) (*chart.Chart, error) {
	const writes = 200
	messages := chart.Line{Name: "messages to processes"}
	kilobytes := chart.Line{Name: "kB into and out of Redis"}
	dsn, namespace := e.dsn("redis")
	db, err := sql.Open(mlcache.DriverName, dsn)
	if err != nil {
		return nil, err
	}
	writer, err := watch(db, namespace)
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	if err := writer.ready(ctx); err != nil {
		return nil, err
	}
	write := func() error {
		for range writes {
			if err := updateOne(ctx, writer.DB)(1); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond) // each write a message of its own
		}
		return nil
	}
	var readers []*reader
	defer func() {
		for _, r := range readers {
			r.stop()
		}
	}()
	for _, n := range []int{2, 4, 8, 16} {
		for len(readers) < n-1 {
			r, err := startReader(ctx, dsn)
			if err != nil {
				return nil, err
			}
			readers = append(readers, r)
		}
		sent, err := e.messages(ctx, namespace, write)
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		busy, err := e.traffic(ctx, write)
		if err != nil {
			return nil, err
		}
		took := time.Since(begun)
		idle, err := e.traffic(ctx, func() error { time.Sleep(took); return nil })
		if err != nil {
			return nil, err
		}
		x := float64(n)
		messages.Points = append(messages.Points, chart.Point{X: x, Y: sent / writes})
		kilobytes.Points = append(kilobytes.Points, chart.Point{X: x, Y: (busy - idle) / writes / 1000})
	}
	return &chart.Chart{
		Name: "processes", Title: "What one write costs Redis, with n processes",
		X: "processes on one Redis", Y: "for each write", Lines: []chart.Line{messages, kilobytes},
	}, nil
}

// messages counts what is delivered to the processes of a namespace while do runs.
func (e *Env) messages(ctx context.Context, namespace string, do func() error) (float64, error) {
	channels, err := e.client.PubSubChannels(ctx, "*"+namespace+"*").Result()
	if err != nil {
		return 0, err
	}
	if len(channels) != 1 {
		return 0, fmt.Errorf("%d channels of the namespace, want 1: %q", len(channels), channels)
	}
	subscribers, err := e.client.PubSubNumSub(ctx, channels[0]).Result()
	if err != nil {
		return 0, err
	}
	own := e.client.Subscribe(ctx, channels[0])
	defer own.Close()
	if _, err := own.Receive(ctx); err != nil {
		return 0, err
	}
	heard := own.Channel(redis.WithChannelSize(1 << 16))
	if err := do(); err != nil {
		return 0, err
	}
	time.Sleep(100 * time.Millisecond)
	return float64(len(heard)) * float64(subscribers[channels[0]]), nil
}

// traffic is how many bytes go into and out of Redis while do runs, whoever sends
// them: it is exact on a Redis that nobody else uses.
func (e *Env) traffic(ctx context.Context, do func() error) (float64, error) {
	count := func() (sum float64, err error) {
		info, err := e.client.Info(ctx, "stats").Result()
		if err != nil {
			return 0, err
		}
		for _, name := range []string{"total_net_input_bytes:", "total_net_output_bytes:"} {
			_, rest, _ := strings.Cut(info, name)
			value, _, _ := strings.Cut(rest, "\r")
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	}
	before, err := count()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	time.Sleep(100 * time.Millisecond)
	after, err := count()
	return after - before, err
}

// childReads, in the environment of a child process, has it read for ever.
const childReads = "MLCACHE_BENCH_CHILD_READS"

// reader is a process that reads items all the time.
type reader struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func startReader(ctx context.Context, dsn string) (*reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childDriver+"="+mlcache.DriverName, childDSN+"="+dsn, childReads+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &reader{cmd: cmd, stdin: stdin}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		r.stop()
		return nil, fmt.Errorf("a reading process ended: %w", err)
	}
	return r, nil
}

func (r *reader) stop() {
	r.stdin.Close()
	_ = r.cmd.Wait()
}

// readUntil reads the same row again and again, says "ready" once it comes from
// the cache, and ends with its standard input.
func readUntil(dsn string, input io.Reader, output io.Writer) error {
	db, err := sql.Open(mlcache.DriverName, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	h, err := mlcache.From(db)
	if err != nil {
		return err
	}
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, input)
		close(end)
	}()
	ask := queryOne(context.Background(), db)
	said := false
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := ask(1); err != nil {
			return err
		}
		switch {
		case !said && h.Stats().L1Hits > 0:
			said = true
			fmt.Fprintln(output, "ready")
		case !said && time.Now().After(deadline):
			return errors.New("nothing is cached")
		}
		select {
		case <-end:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}
