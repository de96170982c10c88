package kvdata

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/qserv/css-etcd/mirror/plan"
)

// loadWeights asks the server which characters it takes for the same.
func loadWeights(ctx context.Context, q querier, charset, collation string) (*plan.Weights, error) {
	const block = 4096
	var all [1 << 16]uint16
	for first := rune(0); first < 1<<16; first += block {
		var chars []rune
		for r := first; r < first+block; r++ {
			if utf8.ValidRune(r) {
				chars = append(chars, r)
			}
		}
		if len(chars) == 0 {
			continue // the surrogates
		}
		var weights []byte
		err := q.QueryRowContext(ctx, "SELECT WEIGHT_STRING(CONVERT(? USING "+charset+") COLLATE "+collation+")",
			string(chars)).Scan(&weights)
		if err != nil {
			return nil, err
		}
		if len(weights) != 2*len(chars) {
			return nil, errors.New("the server's WEIGHT_STRING does not give two bytes a character")
		}
		for i, r := range chars {
			all[r] = uint16(weights[2*i])<<8 | uint16(weights[2*i+1])
		}
	}
	return plan.NewWeights(func(r rune) uint16 { return all[r] })
}
