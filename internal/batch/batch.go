// Package batch reads operations on the catalogue, a JSON object on each line, as one batch that happens as a whole or
// not at all. It does no I/O but reading.
package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// longest is a line that has as much as a body of HTTP may have.
const longest = 4 << 20

// Batch is what was read.
type Batch struct {
	*cssetcd.Batch
	Operations int
}

// Read reads a batch to its end. Empty lines, and those that begin with #, are left out. It reports what is wrong with
// each line, all together; names and values are looked at when the batch is committed.
func Read(r io.Reader) (Batch, error) {
	b := Batch{Batch: &cssetcd.Batch{}}
	var faults []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	number := 1
	for ; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		b.Operations++
		if err := add(b.Batch, line); err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
		}
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("line %d: %w", number, err))
	}
	if b.Operations == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("there is no operation"))
	}
	return b, errors.Join(faults...)
}

// add adds the operation of one line.
func add(b *cssetcd.Batch, line []byte) error {
	var head struct{ Op *string }
	if err := json.Unmarshal(line, &head); err != nil {
		return fmt.Errorf("it is no JSON object: %w", err)
	}
	if head.Op == nil {
		return fmt.Errorf("it has no op, which is one of %s", strings.Join(Names(), ", "))
	}
	do, ok := operations[*head.Op]
	if !ok {
		return fmt.Errorf("op %.100q is none of %s", *head.Op, strings.Join(Names(), ", "))
	}
	return do(b, line)
}

// Names are those of the operations, in order.
func Names() []string { return slices.Sorted(maps.Keys(operations)) }
