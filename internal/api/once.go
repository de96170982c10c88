package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

const (
	headerOnce  = "Idempotency-Key"
	longestOnce = 255
	// remembered is for how long a request is known at least.
	remembered = 24 * time.Hour
	// leaseFor is for how long notes are put on one lease, which lasts longer by that.
	leaseFor = time.Hour
)

// onceOf returns where the note of a request is kept that carries a key, and what it says: which request it was. The
// path is "" without a key. Those who do not know of each other may use the same key.
func onceOf(r *http.Request, bearer string, body []byte) (path kv.Path, note string, err error) {
	given := r.Header.Values(headerOnce)
	if len(given) == 0 {
		return "", "", nil
	}
	key := given[0]
	if len(given) > 1 || key == "" || len(key) > longestOnce || !isPrintable(key) {
		return "", "", refuse(http.StatusBadRequest, "bad_idempotency_key", "%s takes 1 to %d printable characters of ASCII",
			headerOnce, longestOnce)
	}
	return csskey.Once + "/" + kv.Path(hashOf(bearer, key)), hashOf(r.Method, r.URL.Path, r.URL.Query().Encode(),
		r.Header.Get("If-Match"), string(body)), nil
}

func isPrintable(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// hashOf is one of several texts, of which none can be taken for a part of another.
func hashOf(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// carryOut carries a write out, once for each Idempotency-Key: its transaction puts a note, which another daemon reads
// as well as this one, and this one after it was started anew. It returns the revision at which the write took effect,
// then or now; 0 when it had nothing to do.
func (a *API) carryOut(ctx context.Context, path kv.Path, note string, many bool,
	do func(context.Context) error) (cssetcd.Revision, error) {
	receipt := &kv.Receipt{Path: path, Note: note}
	act := func(ctx context.Context) error { return do(kv.WithReceipt(ctx, receipt)) }
	if many {
		act = func(ctx context.Context) error { return a.carryOutMany(ctx, receipt, do) }
	}
	if path == "" {
		err := do(kv.WithReceipt(ctx, receipt))
		return receipt.Revision, err
	}
	if rev, done, err := a.before(ctx, path, note); done || err != nil {
		return rev, err
	}
	var err error
	for range 2 { // a lease is gone where etcd was restored
		if receipt.Lease, err = a.once.get(ctx); err != nil {
			return 0, cssetcd.ErrUnavailable
		}
		if err = act(ctx); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			break
		}
		a.once.forget(receipt.Lease)
	}
	if err == nil {
		return receipt.Revision, nil
	}
	// It may have failed because it was carried out before, or at the same moment by another.
	rev, done, berr := a.before(ctx, path, note)
	switch {
	case done:
		return rev, berr
	case errors.Is(err, kv.ErrNoted): // which was there a moment ago
		return 0, cmp.Or(berr, cssetcd.ErrContended)
	}
	return 0, err
}

// carryOutMany carries out what takes several transactions, of which none can have the note: it follows when all is
// there. Until then a repetition does the rest.
func (a *API) carryOutMany(ctx context.Context, receipt *kv.Receipt, do func(context.Context) error) error {
	parts := &kv.Receipt{}
	if err := do(kv.WithReceipt(ctx, parts)); err != nil {
		return err
	}
	receipt.Revision = parts.Revision
	return kv.PutNote(ctx, a.store, receipt)
}

// before looks for a note; done says that there is one.
func (a *API) before(ctx context.Context, path kv.Path, note string) (rev cssetcd.Revision, done bool, err error) {
	had, rev, done, err := kv.ReadNote(ctx, a.store, path)
	if done && had != note {
		return 0, true, refuse(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"the %s was used with another request", headerOnce).
			hinted("each request takes a new one, and its repetitions the same")
	}
	return rev, done, err
}

// leases are those that notes are put on: one after the other, each for many notes.
type leases struct {
	etcd *clientv3.Client
	mu   sync.Mutex
	id   clientv3.LeaseID
	at   time.Time // when it was granted
}

// get returns a lease that lasts long enough.
func (l *leases) get(ctx context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != 0 && time.Since(l.at) < leaseFor {
		return int64(l.id), nil
	}
	at := time.Now()
	got, err := l.etcd.Grant(ctx, int64((remembered+leaseFor)/time.Second))
	if err != nil {
		return 0, err
	}
	l.id, l.at = got.ID, at
	return int64(l.id), nil
}

// forget has a lease replaced that is gone.
func (l *leases) forget(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(l.id) == id {
		l.id = 0
	}
}
