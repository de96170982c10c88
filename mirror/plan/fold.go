package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/internal/csskey"
)

// planeSize is the number of characters that three bytes of UTF-8 can write.
const planeSize = 1 << 16

// Weights says which characters the collation of the key column takes for the same: those of equal weight. The nil
// Weights knows the ASCII letters and keeps all other characters apart.
type Weights [planeSize]uint16

// NewWeights returns the weights that a server gave for the characters 0 to 0xFFFF (what it gave for the surrogates is
// ignored). It returns an error when they are not those of a collation that compares as utf8mb3_general_ci does:
// character by character, ASCII by upper case, and the slash equal to nothing else.
func NewWeights(of func(rune) uint16) (*Weights, error) {
	w := new(Weights)
	for r := range rune(planeSize) {
		w[r] = of(r)
		switch {
		case r < utf8.RuneSelf && w[r] != uint16(upper(byte(r))):
			return nil, fmt.Errorf("the server gives the character %q the weight %#x, which is not that of utf8mb3_general_ci",
				r, w[r])
		case r != '/' && w[r] == '/' && utf8.ValidRune(r):
			return nil, fmt.Errorf("the server takes the character %q for a slash, which utf8mb3_general_ci does not", r)
		}
	}
	return w, nil
}

// Fold returns the form of a key that is the same for all keys whose characters have the same weights.
func (w *Weights) Fold(key string) string {
	for i := range len(key) {
		if c := key[i]; c >= utf8.RuneSelf || c != upper(c) {
			return w.foldFrom(key, i)
		}
	}
	return key
}

// foldFrom is Fold for a key whose first n bytes are folded as they are. Keys are folded by the hundred thousand, so
// those of ASCII take a short way, with one allocation.
func (w *Weights) foldFrom(key string, n int) string {
	var buf [csskey.MaxKey]byte
	if len(key) > len(buf) {
		return w.fold(key, n)
	}
	copy(buf[:], key[:n])
	for i := n; i < len(key); i++ {
		c := key[i]
		if c >= utf8.RuneSelf {
			return w.fold(key, n)
		}
		buf[i] = upper(c)
	}
	return string(buf[:len(key)])
}

// fold is Fold for a key whose first n bytes are folded as they are.
func (w *Weights) fold(key string, n int) string {
	var b strings.Builder
	b.Grow(len(key))
	b.WriteString(key[:n])
	for _, r := range key[n:] {
		switch {
		case r < utf8.RuneSelf:
			b.WriteByte(upper(byte(r)))
		case w == nil:
			b.WriteRune(r)
		case r >= planeSize:
			b.WriteRune(utf8.RuneError) // a collation of three-byte characters has one weight for all others: this one's
		default:
			b.WriteRune(rune(w[r]))
		}
	}
	return b.String()
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}
