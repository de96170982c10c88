package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
)

// asked is a standard error that answers the question on it.
type asked struct {
	bytes.Buffer
	answer func()
}

func (a *asked) Write(b []byte) (int, error) {
	n, err := a.Buffer.Write(b)
	if bytes.HasSuffix(b, []byte("[y/N] ")) {
		a.answer()
	}
	return n, err
}

// TestDelAsks at a terminal, and deletes what it asked about and no more.
func TestDelAsks(t *testing.T) {
	t.Parallel()
	c := filled(t)
	del := func(answer func(person io.Writer)) (int, string, string) {
		person, terminal, err := pty.Open()
		require.NoError(t, err)
		defer terminal.Close()
		defer person.Close()
		messages := &asked{answer: func() { answer(person) }}
		var out bytes.Buffer
		code := c.Program(terminal, &out, messages).Run(t.Context(), []string{"del", "/DBS", "-r"})
		return code, out.String(), messages.String()
	}
	says := func(text string) func(io.Writer) {
		return func(person io.Writer) {
			_, err := io.WriteString(person, text)
			require.NoError(t, err)
		}
	}
	before := c.OK("dump")
	code, _, messages := del(says("n\n"))
	assert.Equal(t, cli.ExitError, code)
	assert.Contains(t, messages, "Delete /DBS and the 26 keys below it? [y/N] ")
	assert.Contains(t, messages, "the answer is not yes; nothing was changed")
	assert.Equal(t, before, c.OK("dump"))

	code, _, messages = del(func(person io.Writer) {
		c.OK("put /DBS/LSST/late x")
		says("y\n")(person)
	})
	assert.Equal(t, cli.ExitError, code)
	assert.Contains(t, messages, "keys lie below it: 27")
	assert.Equal(t, "x\n", c.OK("get /DBS/LSST/late"))

	code, out, _ := del(says("y\n"))
	assert.Equal(t, cli.ExitOK, code)
	assert.Contains(t, out, "key /DBS deleted with all below it, 28 keys")
}
