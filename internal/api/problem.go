package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/inventory"
)

// problem is an answer that tells of a fault, and its JSON form. Programs look at the code, which stays the same;
// people read the message.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
	status  int
	again   int // seconds after which it may be tried again; 0: that is not said
}

func (p *problem) Error() string { return p.Message }

// refuse makes a problem of what a client did.
func refuse(status int, code, format string, args ...any) *problem {
	p := &problem{Code: code, Message: fmt.Sprintf(format, args...), status: status}
	if status == http.StatusServiceUnavailable {
		p.again = again
	}
	return p
}

func (p *problem) hinted(format string, args ...any) *problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// again is after how many seconds a client may try again what etcd or the daemon could not do now.
const again = 1

// known is what is told of an error.
type known struct {
	err    error
	code   string
	status int
	hint   string
}

// problems are the errors of the packages that answers come from. An error can be several of them: the first counts, so
// that kinds stand before their parents.
var problems = []known{
	{cssetcd.ErrNoSuchTable, "no_such_table", http.StatusNotFound, ""},
	{cssetcd.ErrNoSuchDB, "no_such_database", http.StatusNotFound, ""},
	{cssetcd.ErrNoSuchNode, "no_such_node", http.StatusNotFound, ""},
	{cssetcd.ErrNoSuchChunk, "no_such_chunk", http.StatusNotFound, ""},
	{cssetcd.ErrNoSuchKey, "no_such_key", http.StatusNotFound, ""},
	{inventory.ErrNoSuchWorker, "no_such_worker", http.StatusNotFound, "GET /v1/inventory lists those that are alive"},
	{cssetcd.ErrEmptyChunksUnknown, "empty_chunks_unknown", http.StatusNotFound, "PUT says which they are"},
	{cssetcd.ErrNotFound, "not_found", http.StatusNotFound, ""},
	{deletion.ErrNoDrop, "no_such_drop", http.StatusNotFound, "it may have ended"},
	{deletion.ErrNoSuchCzar, "no_such_czar", http.StatusNotFound, "GET /v1/czars lists those that are registered"},

	{cssetcd.ErrDBExists, "database_exists", http.StatusConflict, ""},
	{cssetcd.ErrTableExists, "table_exists", http.StatusConflict, ""},
	{cssetcd.ErrNodeExists, "node_exists", http.StatusConflict, ""},
	{cssetcd.ErrKeyExists, "key_exists", http.StatusConflict, ""},
	{cssetcd.ErrExists, "exists", http.StatusConflict, ""},

	{cssetcd.ErrStatusMismatch, "status_mismatch", http.StatusPreconditionFailed, ""},
	{cssetcd.ErrRevisionMismatch, "revision_mismatch", http.StatusPreconditionFailed, "read it anew, and decide again"},
	{cssetcd.ErrNodeInUse, "node_in_use", http.StatusConflict, ""},
	{cssetcd.ErrCzarsRegistered, "czars_registered", http.StatusConflict,
		"DELETE without unsafe drops it when no query uses it any more"},
	{cssetcd.ErrDropPending, "drop_pending", http.StatusConflict, "GET /v1/drops shows the drops, and what they wait for"},
	{cssetcd.ErrKeysBelow, "keys_below", http.StatusConflict, "recursive=true deletes them, too"},
	{cssetcd.ErrNotEmpty, "not_empty", http.StatusConflict, ""},
	{cssetcd.ErrOvertaken, "overtaken", http.StatusConflict, ""},
	{cssetcd.ErrFileInUse, "file_in_use", http.StatusConflict, ""},
	{deletion.ErrNotReady, "not_ready", http.StatusConflict, ""},
	{deletion.ErrRequested, "drop_requested", http.StatusConflict, ""},
	{deletion.ErrTooLate, "too_late", http.StatusConflict, ""},
	{deletion.ErrTooEarly, "too_early", http.StatusConflict, ""},
	{deletion.ErrHasChildren, "has_children", http.StatusConflict, ""},
	{deletion.ErrCancelled, "drop_cancelled", http.StatusConflict, ""},
	{deletion.ErrAborted, "aborted", http.StatusConflict, ""},
	{deletion.ErrReleased, "released", http.StatusConflict, ""},
	{deletion.ErrGone, "gone", http.StatusGone, ""},
	{cssetcd.ErrPrecondition, "precondition_failed", http.StatusPreconditionFailed, ""},

	{cssetcd.ErrVersionMissing, "no_catalogue", http.StatusNotFound, "the first database, or css-sync restore, makes one"},
	{cssetcd.ErrVersionMismatch, "catalogue_version", http.StatusNotImplemented, ""},
	{cssetcd.ErrInvalidName, "invalid_name", http.StatusBadRequest, ""},
	{cssetcd.ErrDuplicateColumn, "duplicate_column", http.StatusBadRequest, ""},
	{cssetcd.ErrUnqueryable, "unqueryable", http.StatusBadRequest, "allow_unqueryable=true creates it nevertheless"},
	{cssetcd.ErrBadValue, "bad_value", http.StatusBadRequest, ""},
	{deletion.ErrTiming, "timing", http.StatusConflict, "css-sync drops settings set changes the settings"},
	{cssetcd.ErrInvalid, "invalid", http.StatusBadRequest, ""},

	{cssetcd.ErrCompacted, "compacted", http.StatusGone, ""},
	{cssetcd.ErrFutureRevision, "future_revision", http.StatusNotFound, ""},
	{cssetcd.ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge, ""},
	{cssetcd.ErrNoSpace, "etcd_full", http.StatusInsufficientStorage, "etcd has to be compacted and defragmented"},
	{cssetcd.ErrNoRoom, "etcd_full", http.StatusInsufficientStorage, "etcd needs a higher quota"},
	// What is stale may be so because an answer was lost, and then nothing was to be written for the client.
	{cssetcd.ErrStale, "stale", http.StatusServiceUnavailable, ""},
	{cssetcd.ErrOutcomeUnknown, "outcome_unknown", http.StatusGatewayTimeout,
		"it has happened or not: repeat it with the same Idempotency-Key, or look before you do it again"},
	{cssetcd.ErrReadOnly, "read_only", http.StatusForbidden, ""},
	{cssetcd.ErrUnauthorized, "etcd_unauthorized", http.StatusBadGateway,
		"the daemon's user at etcd may not do that; `css-sync roles` prints what it needs"},
	{cssetcd.ErrOldServer, "old_etcd", http.StatusBadGateway, ""},
	{cssetcd.ErrContended, "contended", http.StatusServiceUnavailable, ""},
	{cssetcd.ErrRegressed, "regressed", http.StatusServiceUnavailable, "read anew"},
	{cssetcd.ErrUnavailable, "unavailable", http.StatusServiceUnavailable, ""},
	{cssetcd.ErrClosed, "closed", http.StatusServiceUnavailable, ""},

	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, ""},
	{context.Canceled, "stopping", http.StatusServiceUnavailable, ""},
}

// problemOf says what is told of an error.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	p := &problem{Code: "internal", Message: shortened(cli.Sentence(err)), status: http.StatusInternalServerError}
	for _, k := range problems {
		if errors.Is(err, k.err) {
			p.Code, p.status, p.Hint = k.code, k.status, k.hint
			break
		}
	}
	if errors.As(err, new(storedError)) && p.status == http.StatusBadRequest {
		p.status, p.Hint = http.StatusInternalServerError, cmp.Or(p.Hint, "the catalogue holds what cannot be read")
	}
	if p.status == http.StatusServiceUnavailable {
		p.again = again
	}
	return p
}

// longestMessage is as much as people read; a request can name things of any length.
const longestMessage = 1000

func shortened(text string) string {
	if len(text) <= longestMessage {
		return text
	}
	return strings.ToValidUTF8(text[:longestMessage], "") + "..."
}

// storedError is a fault of what the catalogue holds, where the same fault of a request would be the client's.
type storedError struct{ error }

func (e storedError) Unwrap() error { return e.error }

// stored marks an error of reading the catalogue.
func stored(err error) error {
	if err == nil {
		return nil
	}
	return storedError{err}
}
