package mlcache

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
)

// rulesEvery is how often the file of rules is looked at. It is short, so the file
// is read each time: a time of change can be too coarse to show a second change.
const rulesEvery = 2 * time.Second

func readRulesFile(name string) (text []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte more than is allowed, for ParseRules to refuse.
	if text, err = io.ReadAll(io.LimitReader(f, maxRulesText+1)); err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	return text, nil
}

// loadRules reads the file for the first time.
func (b *ruleBook) loadRules(name string) error {
	text, err := readRulesFile(name)
	if err != nil {
		return badValue("mlcache_rules_file", name, "it cannot be read")
	}
	rules, err := ParseRules(string(text))
	if err != nil {
		return badValue("mlcache_rules_file", name, err.Error())
	}
	b.setFile(rules, text)
	return nil
}

// watchRules follows the file until the engine closes. What cannot be read leaves
// the rules as they are, and is logged once.
func (e *engine) watchRules(name string) {
	tick := time.NewTicker(rulesEvery)
	defer tick.Stop()
	last, away := e.rules.text(), false
	complain := func(err error) {
		e.cfg.Logger.Warn("mlcache: the file of rules cannot be used; the old rules stay", "file", name, "error", err.Error())
	}
	for {
		select {
		case <-tick.C:
		case <-e.background.Done():
			return
		}
		text, err := readRulesFile(name)
		if err != nil {
			if !away {
				complain(err)
			}
			away = true
			continue
		}
		away = false
		if bytes.Equal(text, last) {
			continue
		}
		last = text
		rules, err := ParseRules(string(text))
		if err != nil {
			complain(err)
			continue
		}
		e.rules.setFile(rules, text)
		e.cfg.Logger.Info("mlcache: rules read from a file", "file", name, "rules", len(rules))
	}
}
