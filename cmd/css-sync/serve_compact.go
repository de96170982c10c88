package main

import (
	"errors"
	"fmt"
	"time"
)

// shortestHistory is what the mirror, drops and whoever looks at an earlier revision can do with.
const shortestHistory = time.Minute

// compactFlag is how much of etcd's history is kept: a duration, or "off" for all, which is 0.
type compactFlag time.Duration

func (c *compactFlag) Set(text string) error {
	if text == "off" {
		*c = 0
		return nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return errors.New("it is neither a duration, such as 1h, nor off")
	case d < shortestHistory:
		return fmt.Errorf("it must be at least %s, or off", shortestHistory)
	}
	*c = compactFlag(d)
	return nil
}

func (c *compactFlag) String() string {
	if *c == 0 {
		return "off"
	}
	return time.Duration(*c).String()
}

// Type is the word for the value in help.
func (c *compactFlag) Type() string { return "duration|off" }
