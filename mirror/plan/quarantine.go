package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// What one row of kvData can hold, in bytes. Qserv's own limit for the key is in bytes, too.
const (
	MaxKey   = csskey.MaxKey
	MaxValue = csskey.MaxValue
)

// maxStoredKey is the size of the longest key that CHAR(255) can hold at all, were it written by others.
const maxStoredKey = 255 * 4

// Reason says why the table cannot hold a key. The texts are a stable contract: they stand in a table and in JSON.
type Reason string

// The reasons.
const (
	KeyTooLong       Reason = "key_too_long"       // more than 255 bytes
	KeyEncoding      Reason = "key_encoding"       // not UTF-8, or with a character of four bytes
	KeyMalformed     Reason = "key_malformed"      // with an empty segment
	KeyTrailingSpace Reason = "key_trailing_space" // CHAR would strip it
	KeyCollision     Reason = "key_collision"      // the collation takes it for another key, which has the row
	ValueTooLong     Reason = "value_too_long"     // more than 65,535 bytes
	ValueEncoding    Reason = "value_encoding"     // not UTF-8, or with a character of four bytes
	ParentMissing    Reason = "parent"             // the key above it has no row
)

// Quarantined is a key that has no row because the table cannot hold it. Ancestors of keys can be in quarantine without
// being keys themselves. The one exception: /DBS and /NODES with a value that cannot be held do have a row, with an
// empty value.
type Quarantined struct {
	Key        string
	Reason     Reason
	Detail     string           // a sentence
	Mod        cssetcd.Revision // of the key; 0 when it is an ancestor only
	ValueBytes int
}

// keyFault says what keeps a key from being a row's key, and nothing when it can be one.
func keyFault(key string) (Reason, string) {
	switch {
	case len(key) > MaxKey:
		return KeyTooLong, fmt.Sprintf("the key has %d bytes and the table holds %d", len(key), MaxKey)
	case !threeByteUTF8(key):
		return KeyEncoding, "the key is not UTF-8 of at most three bytes a character"
	case key != rootKey && (key[0] != '/' || key[len(key)-1] == '/' || strings.Contains(key, "//")):
		return KeyMalformed, "the key has an empty segment"
	case strings.HasSuffix(key, " "):
		return KeyTrailingSpace, "the key ends in a space, which the table would strip"
	}
	return "", ""
}

// valueFault says what keeps a value out of the table.
func valueFault(value string) (Reason, string) {
	switch {
	case len(value) > MaxValue:
		return ValueTooLong, fmt.Sprintf("the value has %d bytes and the table holds %d", len(value), MaxValue)
	case !threeByteUTF8(value):
		return ValueEncoding, "the value is not UTF-8 of at most three bytes a character"
	}
	return "", ""
}

// threeByteUTF8 reports whether s is UTF-8 as the character set utf8mb3 knows it.
func threeByteUTF8(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return utf8.ValidString(s[i:]) && strings.IndexFunc(s[i:], isFourBytes) < 0
		}
	}
	return true
}

func isFourBytes(r rune) bool { return r >= planeSize }
