package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/form"
)

// hand is what a write is done with, in the name of the bearer of a token.
type hand struct {
	css   *cssetcd.Client
	drops *deletion.Client
}

// handsOf returns a hand for each name; that of a bearer without one writes in the name of the daemon.
func handsOf(config Config, drops *deletion.Client) (map[string]hand, error) {
	hands := map[string]hand{"": {config.Catalogue, drops}}
	for _, t := range config.Access.Tokens {
		if _, ok := hands[t.Name]; ok {
			continue
		}
		css, err := config.Catalogue.By(t.Name)
		if err != nil {
			return nil, err
		}
		drops, err := deletion.NewClient(css)
		if err != nil {
			return nil, err
		}
		hands[t.Name] = hand{css, drops}
	}
	return hands, nil
}

// write is what a request wants done, as a value. What became of it is in the receipt of the context.
type write func(ctx context.Context, with hand) error

// request is all of a request that a write is made of.
type request struct {
	*http.Request
	*query
	bearer  string // whose token it carries
	body    []byte
	ifMatch *cssetcd.Revision
}

// writer makes a write of a request, or says what is wrong with it. It asks nobody.
type writer func(r *request) (write, error)

// The parameters of writes.
const (
	paramIfNotExists = "if_not_exists"
	paramIfExists    = "if_exists"
	paramIfStatus    = "if_status"
	paramUnqueryable = "allow_unqueryable"
	paramLike        = "like"
	paramAtOnce      = "at_once"
	paramUnsafe      = "unsafe"
	paramRecursive   = "recursive"
	paramAfter       = "after"
	paramDelay       = "delay"
	paramPolicy      = "policy"
	paramForce       = "force"
)

// writes makes a handler of a writer.
func (a *API) writes(t target, make writer) handler {
	return func(w http.ResponseWriter, r *http.Request, q *query) error {
		in := &request{Request: r, query: q}
		var err error
		in.bearer, _ = a.Access.bearer(r)
		if in.body, err = readBody(w, r); err != nil {
			return err
		}
		if len(in.body) > 0 && t.bare {
			return badBody("the request has a body, which means nothing here")
		}
		if rev, ok, err := ifMatch(r.Header); err != nil {
			return err
		} else if ok {
			in.ifMatch = &rev
		}
		do, err := make(in)
		if err == nil {
			err = q.err
		}
		if err == nil && in.ifMatch != nil && !t.matches {
			err = refuse(http.StatusBadRequest, "bad_if_match", "If-Match means nothing here")
		}
		if err != nil {
			return err
		}
		path, note, err := onceOf(r, in.bearer, in.body)
		if err != nil {
			return err
		}
		ctx, cancel := asking(r)
		defer cancel()
		rev, err := a.carryOut(ctx, path, note, t.many, func(ctx context.Context) error {
			return do(ctx, a.hands[in.bearer])
		})
		if err != nil {
			return err
		}
		w.Header().Set(headerRevision, strconv.FormatInt(int64(rev), 10))
		return answer{body: form.OfRevision(rev)}.write(w, r)
	}
}

// target says what a write takes beside its parameters.
type target struct {
	bare    bool // no body
	matches bool // If-Match
	many    bool // it takes several transactions, and passes over what is there
}

// only makes a write of one operation on the catalogue.
func only(do func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error)) write {
	return func(ctx context.Context, with hand) error {
		_, err := do(ctx, with.css)
		return err
	}
}

// conditions are the options that make a write depend on what it finds.
func (r *request) conditions() (opts []cssetcd.WriteOption) {
	if r.ifMatch != nil {
		opts = append(opts, cssetcd.IfRevision(*r.ifMatch))
	}
	if r.given(paramIfStatus) {
		opts = append(opts, cssetcd.IfStatus(cssetcd.Status(r.text(paramIfStatus))))
	}
	return opts
}

// options adds an option for each parameter that says yes.
func (r *request) options(opts []cssetcd.WriteOption,
	named map[string]func() cssetcd.WriteOption) []cssetcd.WriteOption {
	for name, option := range named {
		if r.flag(name) {
			opts = append(opts, option())
		}
	}
	return opts
}

// removal makes a write that drops a table or a database: through the protocol, which hurts no query, or at once.
func (r *request) removal(name string,
	atOnce func(context.Context, *cssetcd.Client, []cssetcd.WriteOption) error) (write, error) {
	if r.flag(paramAtOnce) || r.flag(paramUnsafe) {
		for _, name := range []string{paramAfter, paramDelay, paramPolicy, paramForce} {
			if r.given(name) {
				r.fail("%s is for a drop that waits for queries", name)
			}
		}
		opts := r.options(r.conditions(), map[string]func() cssetcd.WriteOption{
			paramIfExists: cssetcd.IfExists, paramUnsafe: cssetcd.Unsafe})
		return func(ctx context.Context, with hand) error { return atOnce(ctx, with.css, opts) }, nil
	}
	if r.ifMatch != nil || r.given(paramIfStatus) || r.given(paramIfExists) {
		return nil, refuse(http.StatusBadRequest, "bad_condition", "a drop that waits for queries takes no condition").
			hinted("with at_once=true the table is removed at once, and only while no czar is registered")
	}
	opts := r.dropOptions()
	return func(ctx context.Context, with hand) error {
		n, err := deletion.ParseName(name)
		if err != nil {
			return err
		}
		if n.IsDatabase() {
			_, err = with.drops.DropDatabase(ctx, name, opts...)
		} else {
			table, perr := cssetcd.ParseTableName(name)
			if perr != nil {
				return perr
			}
			_, err = with.drops.DropTable(ctx, table, opts...)
		}
		return err
	}, nil
}

func (r *request) dropOptions() (opts []deletion.Option) {
	if n, ok := r.number(paramAfter); ok {
		opts = append(opts, deletion.After(seconds(n)))
	}
	if n, ok := r.number(paramDelay); ok {
		opts = append(opts, deletion.Delay(seconds(n)))
	}
	if r.given(paramPolicy) {
		opts = append(opts, deletion.WithPolicy(deletion.Policy(r.text(paramPolicy))))
	}
	if r.flag(paramForce) {
		opts = append(opts, deletion.Force())
	}
	if r.bearer != "" {
		opts = append(opts, deletion.By(r.bearer))
	}
	return opts
}

// seconds is a duration, or for a number that none can have one that is refused.
func seconds(n int64) time.Duration {
	const most = int64(1 << 20) // some days, which is more than a drop may take
	return time.Duration(min(n, most)) * time.Second
}
