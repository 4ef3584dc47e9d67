// Package explain prints what mlcache makes of SQL texts: for a person, and line
// by line for a program.
package explain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"

	"github.com/mlcache/mlcache"
)

// Explainer says what mlcache makes of one text. It is called from several
// goroutines at once.
type Explainer func(sql string) (mlcache.Explanation, error)

// Text explains by the text alone, without a database.
func Text(sql string) (mlcache.Explanation, error) { return mlcache.ExplainText(sql), nil }

// The reasons for lines that are not a JSON string.
const (
	reasonJSON    mlcache.Reason = "bad_json"
	reasonTooLong mlcache.Reason = "line_too_long"
)

const (
	// lineMax is the longest line that is read, in bytes. The scanner of texts
	// gives up long before.
	lineMax  = 16 << 20
	batchMax = 256
)

// batch is a run of lines on its way to their explanations.
type batch struct {
	lines [][]byte // nil: the line was too long
	out   []byte
	err   error
	done  chan struct{}
}

// Stream reads one JSON string per line and writes one explanation per line as a
// JSON object, in the same order. A line that is not a JSON string gives one of
// kind unknown. What has been read is answered before Stream waits for more input.
// The error is one of reading, of writing, or of explain; then some of the last
// lines read have no answer.
func Stream(r io.Reader, w io.Writer, explain Explainer) error {
	todo := make(chan *batch, runtime.GOMAXPROCS(0))
	ordered := make(chan *batch, 2*runtime.GOMAXPROCS(0))
	quit := make(chan struct{})
	defer close(quit)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for b := range todo {
				b.explain(explain)
				close(b.done)
			}
		}()
	}
	go func() {
		defer close(todo)
		defer close(ordered)
		in := bufio.NewReaderSize(r, 1<<16)
		for {
			b := readBatch(in)
			select {
			case ordered <- b:
			case <-quit:
				return
			}
			end := b.err != nil
			select {
			case todo <- b:
			case <-quit:
				return
			}
			if end {
				return
			}
		}
	}()
	for b := range ordered {
		<-b.done
		if len(b.out) > 0 {
			if _, err := w.Write(b.out); err != nil {
				return err
			}
		}
		if b.err != nil && !errors.Is(b.err, io.EOF) {
			return b.err
		}
	}
	return nil
}

// readBatch reads at least one line, and as many more as have arrived.
func readBatch(in *bufio.Reader) *batch {
	b := &batch{done: make(chan struct{})}
	for len(b.lines) < batchMax && (len(b.lines) == 0 || in.Buffered() > 0) {
		line, err := readLine(in)
		if err != nil && len(line) == 0 {
			b.err = err
			return b
		}
		b.lines = append(b.lines, line)
	}
	return b
}

// readLine returns the next line with its end; nil if it is too long. The last
// line may lack its end.
func readLine(in *bufio.Reader) ([]byte, error) {
	line := []byte{}
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > lineMax; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			return nil, nil // the next call meets the error again
		}
		return line, err
	}
}

func (b *batch) explain(explain Explainer) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, line := range b.lines {
		x, err := explainLine(line, explain)
		if err == nil {
			err = encoder.Encode(x)
		}
		if err != nil {
			b.err = err
			break
		}
	}
	b.out = out.Bytes()
}

func explainLine(line []byte, explain Explainer) (mlcache.Explanation, error) {
	unknown := mlcache.Explanation{Kind: "unknown", Reads: []string{}, Writes: []string{}, Funcs: []string{}}
	if line == nil {
		unknown.Reason = reasonTooLong
		return unknown, nil
	}
	var sql *string
	if err := json.Unmarshal(line, &sql); err != nil || sql == nil {
		unknown.Reason = reasonJSON
		return unknown, nil
	}
	return explain(*sql)
}
