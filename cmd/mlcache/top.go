package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mlcache/mlcache"
)

func newTop() *cobra.Command {
	var once, asJSON bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "top URL",
		Short: "Show what the cache of a running process does, live",
		Long: "Show what the cache of a running process does: who answers its queries, how fast,\n" +
			"which statements and tables. URL is that of the process's status page, which it\n" +
			"serves by Handle.Handler. The screen is drawn again every --interval, until\n" +
			"interrupted; what is not a terminal gets the text once.\n\n" +
			"Rates are those since the last look, or since the last sample that the process has\n" +
			"kept. With --json each line is an object, as the page gives it at ?format=json.",
		Example: "  mlcache top http://localhost:8080/debug/mlcache\n" +
			"  mlcache top --once --json http://localhost:8080/debug/mlcache",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < minInterval {
				return usageError{fmt.Errorf("--interval needs at least %v", minInterval)}
			}
			page, err := pageURL(args[0])
			if err != nil {
				return usageError{err}
			}
			out := cmd.OutOrStdout()
			live := isTerminal(out)
			return top(cmd.Context(), page, out, topOptions{once: once || !live && !asJSON, json: asJSON, live: live, every: every})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "look once")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().DurationVar(&every, "interval", 2*time.Second, "time between two looks")
	return cmd
}

const (
	minInterval = 200 * time.Millisecond
	topTimeout  = 5 * time.Second
	maxReport   = 8 << 20
)

type topOptions struct {
	once, json, live bool
	every            time.Duration
}

// pageURL adds what asks the page for JSON. A host alone is good, too.
func pageURL(raw string) (string, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("top needs the URL of a status page, as http://localhost:8080/debug/mlcache")
	}
	u.RawQuery, u.Fragment = "format=json", ""
	return u.String(), nil
}

func top(ctx context.Context, page string, out io.Writer, o topOptions) error {
	client := &http.Client{Timeout: topTimeout}
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	var before *mlcache.Status
	for {
		r, raw, err := readReport(ctx, client, page)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (before == nil || o.once || !o.live):
			return err
		case err != nil:
			// It may be starting again.
			_, err = fmt.Fprintf(out, "\x1b[H\x1b[2K%s\n", printable(err.Error()))
		case o.json:
			_, err = out.Write(append(raw, '\n'))
		case o.live && !o.once:
			_, err = io.WriteString(out, frame(r, before, out))
		default:
			width := 120
			_, err = io.WriteString(out, strings.Join(topLines(r, before, width), "\n")+"\n")
		}
		if err != nil || o.once {
			return err
		}
		if r != nil {
			before = r
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// frame draws over what is on the screen, at once and within its size.
func frame(r, before *mlcache.Status, out io.Writer) string {
	width, height := 100, 30
	if f, ok := out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 1 {
			width, height = w, h
		}
	}
	lines := topLines(r, before, width)
	if len(lines) > height-1 {
		lines = lines[:height-1]
	}
	// Home, each line erased to its end, and then the rest of the screen.
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}

func readReport(ctx context.Context, client *http.Client, page string) (*mlcache.Status, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("mlcache: top: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReport))
	if err != nil {
		return nil, nil, fmt.Errorf("mlcache: top: %w", err)
	}
	var r mlcache.Status
	if err := json.Unmarshal(raw, &r); resp.StatusCode != http.StatusOK || err != nil || len(r.Levels) != 3 {
		return nil, nil, fmt.Errorf("mlcache: top: %s gives no status page's figures (%s)", page, resp.Status)
	}
	return &r, []byte(strings.TrimSpace(string(raw))), nil
}
