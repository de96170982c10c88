package plan

import (
	"fmt"
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
	var buf [csskey.MaxKey]byte
	if folded := w.fold(buf[:0], key); string(folded) != key {
		return string(folded)
	}
	return key
}

// fold appends the folded form of a key. Keys are folded by the million, so those of ASCII take a short way.
func (w *Weights) fold(to []byte, key string) []byte {
	n := len(to)
	to = append(to, key...)
	var all byte
	for i, c := range to[n:] {
		all |= c
		to[n+i] = upperCase[c]
	}
	if all < utf8.RuneSelf {
		return to
	}
	to = to[:n]
	for _, r := range key {
		switch {
		case r < utf8.RuneSelf:
			to = append(to, upper(byte(r)))
		case w == nil:
			to = utf8.AppendRune(to, r)
		case r >= planeSize:
			to = utf8.AppendRune(to, utf8.RuneError) // a collation of three-byte characters has one weight for all others
		default:
			to = utf8.AppendRune(to, rune(w[r]))
		}
	}
	return to
}

// upperCase has each byte, and in place of a small letter of ASCII the capital one.
var upperCase = func() (all [256]byte) {
	for c := range all {
		all[c] = upper(byte(c))
	}
	return all
}()

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}
