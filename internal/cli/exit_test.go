package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
)

// within is err as the commands meet it.
func within(err error) error {
	return fmt.Errorf("more: %w", &cssetcd.Error{Op: "do", Object: "thing", Err: err})
}

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"nothing":                  {nil, 0},
		"no such table":            {within(cssetcd.ErrNoSuchTable), 1},
		"table exists":             {within(cssetcd.ErrTableExists), 1},
		"status mismatch":          {within(cssetcd.ErrStatusMismatch), 1},
		"czars registered":         {within(cssetcd.ErrCzarsRegistered), 1},
		"not empty":                {within(cssetcd.ErrNotEmpty), 1},
		"contended":                {within(cssetcd.ErrContended), 1},
		"outcome unknown":          {within(cssetcd.ErrOutcomeUnknown), 1},
		"compacted":                {within(cssetcd.ErrCompacted), 1},
		"wrong credentials":        {within(cssetcd.ErrUnauthorized), 1},
		"wrong MySQL credentials":  {within(mirror.ErrUnauthorized), 1},
		"brake":                    {within(mirror.ErrBrake), 1},
		"another catalogue":        {within(mirror.ErrIdentity), 1},
		"interrupted":              {ErrInterrupted, 1},
		"anything else":            {errors.New("?"), 1},
		"no etcd":                  {within(cssetcd.ErrUnavailable), 2},
		"no connection":            {Hinted(ErrNoConnection, "look"), 2},
		"no MySQL":                 {within(mirror.ErrUnavailable), 2},
		"invalid":                  {within(cssetcd.ErrInvalid), 3},
		"invalid name":             {within(cssetcd.ErrInvalidName), 3},
		"bad value":                {within(&cssetcd.ValueError{Key: "/k", Reason: "why"}), 3},
		"version missing":          {within(cssetcd.ErrVersionMissing), 3},
		"version mismatch":         {within(&cssetcd.VersionError{Want: "1", Got: "2"}), 3},
		"usage":                    {Hinted(&usageError{errors.New("?"), "x --help"}, "look"), 3},
		"input":                    {Hinted(BadInput("?"), "look"), 3},
		"differences":              {Hinted(fmt.Errorf("%w: 3", ErrDifferences), "look"), 10},
		"unauthorized, not a form": {within(fmt.Errorf("%w: %w", cssetcd.ErrUnauthorized, cssetcd.ErrUnavailable)), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, ExitCode(test.err)) })
	}
}

func TestSentence(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"the library's name goes": {&cssetcd.Error{Op: "create table", Object: "LSST.Object", Err: cssetcd.ErrTableExists},
			"create table LSST.Object: table exists"},
		"so does the class": {&cssetcd.Error{Op: "put", Object: "x",
			Err: fmt.Errorf("%w: 2 faults:\n  %w: a\n  b", cssetcd.ErrInvalid, cssetcd.ErrInvalid)},
			"put x: 2 faults:\n  a\n  b"},
		"so does what gRPC adds":    {errors.New("open: rpc error: code = Unavailable desc = no leader"), "open: no leader"},
		"a deadline is put plainly": {fmt.Errorf("read: %w", context.DeadlineExceeded), "read: no answer in time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, Sentence(test.err)) })
	}
}

func TestHints(t *testing.T) {
	assert.Empty(t, hintFor("css-lab", errors.New("?")))
	assert.Equal(t, "look", hintFor("css-lab", within(Hinted(errors.New("?"), "look"))))
	assert.Equal(t, "see `css-lab --help`", hintFor("css-lab", &usageError{err: errors.New("?")}))
	assert.Equal(t, "see `css-sync db --help`", hintFor("css-lab", &usageError{errors.New("?"), "css-sync db --help"}))
	for _, err := range []error{cssetcd.ErrCzarsRegistered, cssetcd.ErrVersionMissing, cssetcd.ErrNotEmpty,
		cssetcd.ErrUnauthorized, cssetcd.ErrEmptyChunksUnknown} {
		assert.NotEmpty(t, hintFor("css-lab", within(err)), "%v", err)
	}
	assert.Empty(t, hintFor("css-lab", within(fmt.Errorf("%w: %w", cssetcd.ErrInvalid, cssetcd.ErrVersionMissing))),
		"a dump without a version says nothing of --prefix")
	assert.NoError(t, Hinted(nil, "look"))
}
