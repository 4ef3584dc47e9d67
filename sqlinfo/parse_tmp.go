package sqlinfo

// ParseOptions is Parse under other settings.
func ParseOptions(sql string, o Options) *Info {
	return &Info{Kind: Unknown, WritesAll: true, Refusal: ReasonSyntax}
}

// SpecialDate reports whether s could be read as a date or time relative to now.
func SpecialDate(s string) bool { return true }

// SafeFunction reports whether a built-in function of that name always gives the same answer for the same data and settings.
func SafeFunction(name string) bool { return false }

// Canonical appends the canonical text of sql to dst.
func Canonical(dst []byte, sql string) []byte { return append(dst, sql...) }
