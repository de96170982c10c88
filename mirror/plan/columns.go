package plan

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/internal/csskey"
)

// Columns says what the columns of kvData can hold, and which keys its unique index takes for the same. It does not
// change once it is made, and can be shared.
type Columns struct {
	MaxKey   int // bytes of a key; those of Qserv's CHAR(255) are 255, since its own limit is in bytes, too
	MaxValue int // bytes of a value
	Key      Text
	Value    Text
	Spaces   Spaces   // at the end of a key
	Exact    bool     // keys are the same only if all their characters are
	Weights  *Weights // which characters are the same, unless Exact
}

// Text says which bytes a column takes.
type Text int

// The texts that a column can hold.
const (
	ThreeBytes Text = iota // utf8mb3: UTF-8 of at most three bytes a character
	FourBytes              // utf8mb4: all of UTF-8
	AnyBytes               // a binary string
)

// Spaces says what the key column makes of spaces at the end of a key.
type Spaces int

// What a column makes of spaces at the end.
const (
	SpacesStripped Spaces = iota // it loses them: CHAR
	SpacesIgnored                // it keeps them, and they do not tell keys apart: VARCHAR
	SpacesKept                   // they are characters like others: binary strings, and collations without padding
)

// QservColumns returns what the columns hold as Qserv's installer makes them, with the weights of the key's collation.
func QservColumns(w *Weights) *Columns {
	return &Columns{MaxKey: csskey.MaxKey, MaxValue: csskey.MaxValue, Weights: w}
}

// Fold returns the form of a key that is the same for all keys which the unique index takes for the same.
func (c *Columns) Fold(key string) string {
	if c.Spaces != SpacesKept {
		key = strings.TrimRight(key, " ")
	}
	if c.Exact {
		return key
	}
	return c.Weights.Fold(key)
}

// fold appends the same form: where it is only looked for, nothing has to be allocated.
func (c *Columns) fold(to []byte, key string) []byte {
	if c.Spaces != SpacesKept {
		key = strings.TrimRight(key, " ")
	}
	if c.Exact {
		return append(to, key...)
	}
	return c.Weights.fold(to, key)
}

// foldedParent returns the folded form of the parent of a key, given the folded form of the key.
func (c *Columns) foldedParent(folded string) string {
	parent := folded[:strings.LastIndexByte(folded, '/')]
	if c.Spaces != SpacesKept {
		parent = strings.TrimRight(parent, " ")
	}
	return parent
}

// foldedParentOf is the same for a form that was appended.
func (c *Columns) foldedParentOf(folded []byte) []byte {
	parent := folded[:bytes.LastIndexByte(folded, '/')]
	if c.Spaces != SpacesKept {
		parent = bytes.TrimRight(parent, " ")
	}
	return parent
}

// mayHold reports whether a row can have this key at all, were it written by others: n characters can have 4n bytes.
func (c *Columns) mayHold(key string) bool { return len(key) <= 4*c.MaxKey && c.Key.holds(key) }

// keyFault says what keeps a key from being a row's key, and nothing when it can be one.
func (c *Columns) keyFault(key string) (Reason, string) {
	switch {
	case len(key) > c.MaxKey:
		return KeyTooLong, fmt.Sprintf("the key has %d bytes and the table holds %d", len(key), c.MaxKey)
	case !c.Key.holds(key):
		return KeyEncoding, "the key is not " + c.Key.String()
	case key != rootKey && (key[0] != '/' || key[len(key)-1] == '/' || strings.Contains(key, "//")):
		return KeyMalformed, "the key has an empty segment"
	case c.Spaces == SpacesStripped && strings.HasSuffix(key, " "):
		return KeyTrailingSpace, "the key ends in a space, which the table would strip"
	}
	return "", ""
}

// fits reports whether a row can have this key and value.
func (c *Columns) fits(key, value string) bool {
	keyReason, _ := c.keyFault(key)
	valueReason, _ := c.valueFault(value)
	return keyReason == "" && valueReason == ""
}

// valueFault says what keeps a value out of the table.
func (c *Columns) valueFault(value string) (Reason, string) {
	switch {
	case len(value) > c.MaxValue:
		return ValueTooLong, fmt.Sprintf("the value has %d bytes and the table holds %d", len(value), c.MaxValue)
	case !c.Value.holds(value):
		return ValueEncoding, "the value is not " + c.Value.String()
	}
	return "", ""
}

func (t Text) String() string {
	if t == ThreeBytes {
		return "UTF-8 of at most three bytes a character"
	}
	return "UTF-8"
}

func (t Text) holds(s string) bool {
	if t == AnyBytes {
		return true
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return utf8.ValidString(s[i:]) && (t == FourBytes || strings.IndexFunc(s[i:], isFourBytes) < 0)
		}
	}
	return true
}

func isFourBytes(r rune) bool { return r >= planeSize }
