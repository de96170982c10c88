package errlist_test

import (
	"errors"
	"io"
	"testing"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/errlist"
)

func TestJoinIsOneLineOrNil(t *testing.T) {
	assert.NoError(t, errlist.Join(nil))
	assert.NoError(t, errlist.Join(new(multierror.Error)))
	err := errlist.Join(multierror.Append(nil, errors.New("one"), io.EOF))
	assert.EqualError(t, err, "one; EOF")
	assert.ErrorIs(t, err, io.EOF)
}
