package cli_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestConfirm: only yes is yes, and without a terminal nobody is asked.
func TestConfirm(t *testing.T) {
	t.Parallel()
	confirm := func(ctx context.Context, stdin io.Reader) (string, error) {
		var asked bytes.Buffer
		p := cli.NewProgram(cli.About{}, stdin, io.Discard, &asked, func(string) string { return "" })
		err := p.Confirm(ctx, "All?\x1b")
		return asked.String(), err
	}
	answered := func(answer string) (string, error) {
		person, terminal, err := pty.Open()
		require.NoError(t, err)
		defer terminal.Close()
		defer person.Close()
		_, err = person.WriteString(answer)
		require.NoError(t, err)
		return confirm(t.Context(), terminal)
	}
	for _, yes := range []string{"y\n", "Yes\n", " YES \n"} {
		asked, err := answered(yes)
		require.NoError(t, err)
		assert.Equal(t, `All?\x1b [y/N] `, asked)
	}
	for _, no := range []string{"n\n", "\n", "ye\n", "yes please\n", "\x04"} {
		_, err := answered(no)
		require.ErrorIs(t, err, cli.ErrNotSure, no)
	}
	asked, err := confirm(t.Context(), strings.NewReader("y\n"))
	require.ErrorIs(t, err, cli.ErrNobodyToAsk)
	assert.Empty(t, asked)

	person, terminal, err := pty.Open()
	require.NoError(t, err)
	defer terminal.Close()
	defer person.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = confirm(ctx, terminal)
	require.ErrorIs(t, err, context.Canceled)
}
