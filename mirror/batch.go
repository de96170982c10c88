package mirror

import (
	"context"
	"fmt"
	"iter"
)

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

// leastPacket is what the server must take for every row: a value of 65,535 bytes of which each is escaped, its key,
// and a full batch of small rows around it.
const leastPacket = 256 << 10

// maxPacket returns how many bytes one statement may have.
func maxPacket(ctx context.Context, q querier) (packet int, err error) {
	if err := q.QueryRowContext(ctx, "SELECT @@max_allowed_packet").Scan(&packet); err != nil {
		return 0, fmt.Errorf("read max_allowed_packet: %w", err)
	}
	return packet, nil
}

// statementBytes returns how many bytes of keys and values to put into a statement. Escaped, a byte can become two, and
// the rest of the statement needs room, too.
func statementBytes(packet int) int {
	const most = 4 << 20
	return min(packet, most) / 4
}

// valueLimit returns how large a value may be so that a statement of its row alone fits.
func valueLimit(packet int) int { return (packet - leastPacket/4) / 2 }
