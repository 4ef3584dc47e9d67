package demo

// moment is a point in time in nanoseconds that every process of this machine
// reads alike. Zero means never.
type moment int64

func now() moment { return moment(machineClock()) }
