package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/progress"
)

// What keeps a command from doing what it has to be sure of.
var (
	ErrNobodyToAsk = errors.New("standard input is no terminal, so that nobody can be asked")
	ErrNotSure     = errors.New("the answer is not yes; nothing was changed")
)

// Confirm asks who sits at the terminal, and returns nil when they say yes. It fails with ErrNotSure when they say
// anything else, and with ErrNobodyToAsk when there is no terminal.
func (p *Program) Confirm(ctx context.Context, question string) error {
	input, ok := p.Stdin.(io.Writer)
	if !ok || !progress.IsTerminal(input) {
		return ErrNobodyToAsk
	}
	fmt.Fprintf(p.Stderr, "%s [y/N] ", Printable(question))
	answer, err := Reading(ctx, "-", p.Stdin, func(r io.Reader) (string, error) {
		line, err := bufio.NewReader(r).ReadString('\n')
		if errors.Is(err, io.EOF) { // that is no answer, too
			err = nil
		}
		return strings.ToLower(strings.TrimSpace(line)), err
	})
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"y", "yes"}, answer) {
		return ErrNotSure
	}
	return nil
}
