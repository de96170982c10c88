package daemon

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/settings"
)

func TestCompareSays(t *testing.T) {
	said := func(pairs ...string) settings.Layer {
		layer := settings.Layer{}
		for i := 0; i < len(pairs); i += 2 {
			layer[pairs[i]] = settings.Value{Texts: []string{pairs[i+1]}}
		}
		return layer
	}
	tests := map[string]struct {
		before, now settings.Layer
		want        reload
		fails       bool
	}{
		"nothing new, which begins again": {said("a", "1"), said("a", "1"), reload{}, false},
		"the level": {said("a", "1"), said("a", "1", "log-level", "debug"), reload{levelOnly: true},
			false},
		"the level is gone":   {said("log-level", "debug"), said(), reload{levelOnly: true}, false},
		"the level and more":  {said("a", "1"), said("a", "2", "log-level", "debug"), reload{}, false},
		"the form of the log": {said(), said("log-format", "json"), reload{}, false},
		"the data move": {said("data-dir", "d"), said("data-dir", "e"),
			reload{later: []string{"data-dir"}}, false},
		"the address of its etcd, and the level": {said("data-dir", "d"), said("data-dir", "d", "listen-client", "l",
			"log-level", "warn"),
			reload{later: []string{"listen-client"}, levelOnly: true}, false},
		"its own etcd, where there was none": {said(), said("data-dir", "d"), reload{}, true},
		"HTTP elsewhere, on which it depends who may read": {said("listen-http", "l", "a", "1"),
			said("listen-http", "m", "a", "2"), reload{}, true},
		"HTTP nowhere":                       {said(), said("listen-http", "off"), reload{}, true},
		"TLS for HTTP, where there was none": {said(), said("http-cert", "c"), reload{}, true},
		"another certificate":                {said("http-cert", "c"), said("http-cert", "d"), reload{}, false},
		"no etcd any more":                   {said("data-dir", "d"), said("data-dir", ""), reload{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			have, err := compare(test.before, test.now)
			assert.Equal(t, test.fails, err != nil)
			if !test.fails {
				assert.ElementsMatch(t, test.want.later, have.later)
				assert.Equal(t, test.want.levelOnly, have.levelOnly)
			}
		})
	}
}

func TestWhatNext(t *testing.T) {
	away, other := fmt.Errorf("etcd: %w", cli.ErrNoConnection), errors.New("another")
	for name, test := range map[string]struct {
		ended, reload, again bool
		err                  error
		want                 step
	}{
		"a signal":                               {ended: true, want: goDown},
		"a signal and SIGHUP":                    {ended: true, reload: true, want: goDown},
		"SIGHUP":                                 {reload: true, want: beginAnew},
		"SIGHUP mends what could not be reached": {reload: true, again: true, err: away, want: beginAnew},
		"SIGHUP while it begins for the first time": {reload: true, err: other, want: beginAnew},
		"etcd is away at the start":                 {err: away, want: goDown},
		"etcd is away after SIGHUP":                 {again: true, err: away, want: tryAgain},
		"a part fails":                              {again: true, err: other, want: goDown},
	} {
		assert.Equal(t, test.want, whatNext(test.ended, test.reload, test.again, test.err), name)
	}
}
