package kvdata

import (
	"iter"
	"strings"
)

// maxRowsPerStatement bounds a statement beside its size in bytes.
const maxRowsPerStatement = 1000

// batches cuts a list into parts of at most maxRowsPerStatement elements and, unless one element alone is larger,
// maxBytes.
func batches[T any](list []T, maxBytes int, size func(T) int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			n, bytes := 0, 0
			for n < len(list) && n < maxRowsPerStatement {
				if bytes += size(list[n]); n > 0 && bytes > maxBytes {
					break
				}
				n++
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// placeholders returns n of them, with commas between.
func placeholders(one string, n int) string {
	return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
