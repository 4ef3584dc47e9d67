package sqlinfo

import "strings"

// SpecialDate reports whether s, taken as input for a date or time type, may mean a
// moment relative to now. PostgreSQL knows four such words (manual, section
// 8.5.1.4): now, today, tomorrow and yesterday. They may stand among other fields
// ('today 10:00'), in any case, next to any character that is no letter, and within
// the text of an array, a range, a composite value or JSON; so any of them as a
// whole word anywhere counts. 'epoch', 'infinity' and 'allballs' are constants.
//
// In the text of an array, a range or a composite value a backslash or quotes may stand
// within a word as well, and vanish when it is read: {n\ow}, (n""ow).
//
// The driver asks this of text arguments; Parse asks it of literals.
func SpecialDate(s string) bool {
	if strings.Contains(s, "\u017f") {
		return true // upper() makes an S of it, and so may complete a word
	}
	escapes := false
	for i := 0; i < len(s); {
		if !isLetter(s[i]) {
			escapes = escapes || vanishes(s[i])
			i++
			continue
		}
		start := i
		for i < len(s) && isLetter(s[i]) {
			i++
		}
		switch i - start {
		case 3:
			if equalLower(s[start:i], "now") {
				return true
			}
		case 5:
			if equalLower(s[start:i], "today") {
				return true
			}
		case 8:
			if equalLower(s[start:i], "tomorrow") {
				return true
			}
		case 9:
			if equalLower(s[start:i], "yesterday") {
				return true
			}
		}
	}
	return escapes && specialWithin(s)
}

// vanishes reports whether a character may stand within a word and be no part of it.
func vanishes(c byte) bool { return c == '\\' || c == '"' }

// specialWithin is SpecialDate over words with characters in them that vanish.
func specialWithin(s string) bool {
	var word [len("yesterday") + 1]byte
	n := 0
	for i := range len(s) + 1 {
		switch {
		case i < len(s) && isLetter(s[i]):
			if n < len(word) {
				word[n] = s[i]
				n++
			}
		case i < len(s) && vanishes(s[i]):
		default:
			if isSpecial(word[:n]) {
				return true
			}
			n = 0
		}
	}
	return false
}

// isSpecial compares letters without regard to case.
func isSpecial(word []byte) bool {
	var lower string
	switch len(word) {
	case len("now"):
		lower = "now"
	case len("today"):
		lower = "today"
	case len("tomorrow"):
		lower = "tomorrow"
	case len("yesterday"):
		lower = "yesterday"
	default:
		return false
	}
	for i := range word {
		if word[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool {
	c |= 0x20
	return c >= 'a' && c <= 'z'
}

// equalLower compares letters without regard to case; lower is in lower case.
func equalLower(s, lower string) bool {
	for i := range len(lower) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}
