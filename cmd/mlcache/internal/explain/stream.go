package explain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
)

// The reasons for lines that are not a JSON string.
const (
	reasonJSON    = "bad_json"
	reasonTooLong = "line_too_long"
)

const (
	// lineMax is the longest line that is read, in bytes. The scanner of texts
	// gives up long before.
	lineMax  = 16 << 20
	batchMax = 256
)

// batch is a run of lines on its way to their verdicts.
type batch struct {
	lines [][]byte // nil: the line was too long
	out   []byte
	err   error
	done  chan struct{}
}

// Stream reads one JSON string per line and writes one Verdict per line, in the
// same order. A line that is not a JSON string gives a verdict of kind unknown.
// What has been read is answered before Stream waits for more input. The error is
// one of reading or writing.
func Stream(r io.Reader, w io.Writer) error {
	todo := make(chan *batch, runtime.GOMAXPROCS(0))
	ordered := make(chan *batch, 2*runtime.GOMAXPROCS(0))
	quit := make(chan struct{})
	defer close(quit)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for b := range todo {
				b.judge()
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
			select {
			case todo <- b:
			case <-quit:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	for b := range ordered {
		<-b.done
		if _, err := w.Write(b.out); err != nil {
			return err
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

// readLine returns the next line without its end; nil if it is too long. The last
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
			return nil, nil
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
}

func (b *batch) judge() {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, line := range b.lines {
		_ = encoder.Encode(judge(line)) // strings and a bool into memory: it cannot fail
	}
	b.out = out.Bytes()
}

func judge(line []byte) Verdict {
	none := []string{}
	if line == nil {
		return Verdict{Kind: "unknown", Reads: none, Writes: none, Funcs: none, Reason: reasonTooLong}
	}
	var sql *string
	if err := json.Unmarshal(line, &sql); err != nil || sql == nil {
		return Verdict{Kind: "unknown", Reads: none, Writes: none, Funcs: none, Reason: reasonJSON}
	}
	return Text(*sql)
}
