package history

// Outcome is what a write's caller was told.
type Outcome string

// The outcomes of a write.
const (
	Committed  Outcome = "committed"
	RolledBack Outcome = "rolled back"
	// Refused by mlcache_on_redis_down=fail-writes: it must not have happened.
	Refused Outcome = "refused"
	// Unknown: the process died, or the statement was cancelled. It may have
	// happened, or happen later.
	Unknown Outcome = "unknown"
)

// Level is where an answer came from.
type Level string

// The levels, as mlcache.Stats counts them.
const (
	L1     Level = "L1"
	L2     Level = "L2"
	Miss   Level = "miss"
	Bypass Level = "bypass"
	// Mixed: several reads counted at the same time.
	Mixed Level = "mixed"
)

// Op is one operation on one register.
type Op struct {
	// Process numbers the processes in the order of their starts. One that is
	// killed and started again is another process.
	Process  int `json:"p"`
	Client   int `json:"c"`
	Register int `json:"g"`
	// Version is what a read returned, or what a write is known to have made; 0
	// for a write of which that is not known.
	Version int64 `json:"n,omitempty"`
	// By is the name of the write, or of the write that made what was read. It
	// is empty for a register that was never written.
	By     string `json:"by,omitempty"`
	Call   int64  `json:"a"`
	Return int64  `json:"b,omitempty"`

	// For reads.
	Level Level `json:"l,omitempty"`
	// Key names the question: reads with the same Key can share an entry.
	Key string `json:"k,omitempty"`

	// For writes.
	Outcome Outcome `json:"o,omitempty"`
	// Unfenced: Redis could not be told before the change. Late: nor could it be
	// told when it was made, so that others learn of it later.
	Unfenced bool `json:"uf,omitempty"`
	Late     bool `json:"lt,omitempty"`
}

// Setting is what an answer has shown of the server's configuration, or a change of it.
type Setting struct {
	Process int    `json:"p"`
	Name    string `json:"s"`
	Value   string `json:"v"`
	Call    int64  `json:"a"`
	Return  int64  `json:"b"`
	Level   Level  `json:"l,omitempty"`
}

// event is one line from a worker to the test.
type event struct {
	Kind string   `json:"e"` // of the list below
	Op   *Op      `json:"op,omitempty"`
	Set  *Setting `json:"set,omitempty"`
	Text string   `json:"t,omitempty"`
	// Queries and Hits are the process's counts so far.
	Queries uint64 `json:"q,omitempty"`
	Hits    uint64 `json:"h,omitempty"`
}

const (
	eventReady   = "ready"
	eventRead    = "r"
	eventIntent  = "i" // before a write is sent
	eventWritten = "w"
	eventStats   = "s"
	eventSetting = "c" // what an answer has shown of the server's configuration
	// eventViolation is something that the worker itself found to be wrong.
	eventViolation = "v"
)
