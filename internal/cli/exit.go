package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/hashicorp/go-multierror"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/errlist"
	"github.com/qserv/css-etcd/mirror"
)

// The exit codes. They are a contract.
const (
	ExitOK           = 0
	ExitError        = 1 // wrong credentials too
	ExitNoConnection = 2
	ExitInvalid      = 3 // input, or another version of the CSS
	ExitTrouble      = 4 // something needs attention
	ExitDifferences  = 10
)

var (
	ErrDifferences  = errors.New("differences found")
	ErrTrouble      = errors.New("trouble")
	ErrInterrupted  = errors.New("interrupted")
	ErrNoConnection = errors.New("no connection")
)

// usageError is a fault of the command line. The help names the command that tells more; "" stands for the program.
type usageError struct {
	err  error
	help string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// inputError is a fault of what the command was given: a file, a text.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

// BadInput makes an inputError.
func BadInput(format string, args ...any) error { return inputError{fmt.Errorf(format, args...)} }

// hintError tells what to do about an error.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// Hinted adds a hint to an error; a nil error stays nil.
func Hinted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// ExitCode maps an error to the exit code of the program.
func ExitCode(err error) int {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return ExitOK
	case is(ErrDifferences):
		return ExitDifferences
	case errors.As(err, new(*usageError)), errors.As(err, new(inputError)):
		return ExitInvalid
	case is(cssetcd.ErrUnauthorized):
		return ExitError
	case is(ErrTrouble):
		return ExitTrouble
	case is(ErrNoConnection, cssetcd.ErrUnavailable) || errors.Is(err, mirror.ErrUnavailable):
		return ExitNoConnection
	case is(cssetcd.ErrInvalid, cssetcd.ErrVersionMissing, cssetcd.ErrVersionMismatch, deletion.ErrTiming):
		return ExitInvalid
	}
	return ExitError
}

// report writes an error for an operator: one sentence, and a hint where there is one.
func report(w io.Writer, name string, err error) {
	fmt.Fprintln(w, name+": "+Printable(Sentence(err)))
	if hint := hintFor(name, err); hint != "" {
		fmt.Fprintln(w, "hint: "+Printable(hint))
	}
}

// noise is what gRPC, and one of our packages, put before the text of an error.
var noise = regexp.MustCompile(`rpc error: code = \w+ desc = |\bembedetcd: `)

// plainInvalid is the name of a class of errors, where the reason stands behind it.
var plainInvalid = regexp.MustCompile(`(^|: |\n  )invalid: `)

// Sentence is the text of an error without what only programmers need.
func Sentence(err error) string {
	var several *multierror.Error
	if errors.As(err, &several) && several.ErrorFormat == nil {
		several.ErrorFormat = errlist.OneLine
	}
	text := noise.ReplaceAllString(err.Error(), "")
	text = plainInvalid.ReplaceAllString(text, "$1")
	if errors.Is(err, context.DeadlineExceeded) {
		text = strings.ReplaceAll(text, context.DeadlineExceeded.Error(), "no answer in time")
	}
	return strings.TrimPrefix(text, "css: ")
}

// hintFor returns what to do about an error of a program; "" when there is nothing to say.
func hintFor(name string, err error) string {
	var h *hintError
	var u *usageError
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &u):
		return "see `" + cmp.Or(u.help, name+" --help") + "`"
	case errors.Is(err, cssetcd.ErrCzarsRegistered):
		return "--force removes it nevertheless, and queries that are using it may fail; `css-sync table drop` and " +
			"`css-sync db drop` wait for them"
	case errors.Is(err, cssetcd.ErrDropPending):
		return "`css-sync drops list` shows the drops, and what they wait for"
	case errors.Is(err, deletion.ErrTiming):
		return "`css-sync drops settings show` shows them, and `css-sync drops settings set` changes them"
	case errors.Is(err, cssetcd.ErrVersionMissing) && !errors.Is(err, cssetcd.ErrInvalid): // in etcd, not in a dump
		return "look at --endpoints, --prefix and --css; the first `css-sync db create` or `css-sync restore` makes a CSS"
	case errors.Is(err, cssetcd.ErrEmptyChunksUnknown):
		return "`css-sync chunk empty set` says which these are, all of them"
	case errors.Is(err, cssetcd.ErrNotEmpty):
		return "--overwrite replaces what is there"
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return "the user is known, but may not do this: `css-sync roles` prints the role that each part needs, and --apply " +
			"makes it in etcd; look at --prefix, too"
	case errors.Is(err, rpctypes.ErrAuthFailed):
		return "look at --user and CSS_SYNC_PASSWORD"
	case errors.Is(err, cssetcd.ErrUnauthorized):
		return "give --user, and the password in CSS_SYNC_PASSWORD"
	}
	return ""
}
