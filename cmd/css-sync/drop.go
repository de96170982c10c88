package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// dropHelp is what is said of dropping a table and a database alike.
const dropHelp = `While czars are registered it goes through the protocol of deletion: it is marked, in one transaction, and no query begins on it from
then on. When the agreed delay is over and every czar has said that none of its queries uses it any more, a coordinator (css-sync serve)
makes the catalogue forget it and has the data removed. Until then "css-sync drops cancel" takes the drop back; "css-sync drops show"
says by name what it waits for. The same holds with any of --after, --delay, --policy and --wait, and when a drop of it has begun: with --wait
that one is waited for, as it was begun.

Without registered czars and those flags it is removed at once, and the output says so; its data are left alone then, whatever css-sync
serve is told about data. A czar that registers at the same moment is noticed, and the protocol used. C++ czars do not register: where css-sync
serve asks QMeta for them, give --delay or --wait.

--force removes it at once, whatever runs. Queries that are using it may fail, and may read another table when the name is created
anew before they end; data are left alone. --force and --leave-children allow to drop a director although tables that are partitioned
by it stay, which cannot be queried then.

With -w json: {"name","way","changed","revision","phase","incarnation","delay_seconds","after_seconds","ended",
"left_children"}; way is "direct", "forced" or "protocol", revision that of the removal or of the mark, 0 when nothing was changed or the mark is yet to come;
left_children are the tables that stay without their director. The five from phase to ended are of the protocol only.`

// dropFlags are those of commands that drop a table or a database.
type dropFlags struct {
	ifExists, force, leaveChildren, wait bool
	only                                 conditionFlags
	after, delay                         time.Duration
	policy                               string
	flags                                *pflag.FlagSet
}

func (d *dropFlags) register(cmd *cobra.Command, what string) {
	d.flags = cmd.Flags()
	d.flags.DurationVar(&d.after, "after", 0,
		"leave it fully usable for that long, and mark it then; whole seconds, at least 2")
	d.flags.DurationVar(&d.delay, "delay", 30*time.Second,
		"least time from the mark to the removal, in which the drop can be cancelled; whole seconds, 0 or at least 2; "+
			"without it that of css-sync drops settings")
	d.flags.StringVar(&d.policy, "policy", string(deletion.Wait),
		"what becomes of queries that still run on it when the delay is over: wait for them, or cancel: tell them to end, "+
			"and wait until they have")
	d.flags.BoolVar(&d.wait, "wait", false, "wait until the drop has ended, and say what it waits for")
	d.flags.BoolVar(&d.ifExists, "if-exists", false, "succeed when there is nothing to drop")
	d.flags.BoolVar(&d.leaveChildren, "leave-children", false,
		"drop it although tables stay that are partitioned by it, which cannot be queried then")
	d.flags.BoolVar(&d.force, "force", false,
		"remove it at once although czars are registered, whose queries may fail, and although children stay")
	d.only.register(cmd, what, "status")
	for _, name := range conditions {
		d.flags.Lookup(name).Usage += "; for a removal at once"
	}
}

// policies are the values of --policy.
var policies = cli.Words(string(deletion.Wait), string(deletion.Cancel))

// protocolFlags ask for the protocol, whether czars are registered or not.
var (
	protocolFlags = []string{"after", "delay", "policy", "wait"}
	conditions    = []string{"if-status", "if-revision"}
)

// given returns the first of the flags that is on the command line, as it is written there; "" for none.
func (d *dropFlags) given(names []string) string {
	if i := slices.IndexFunc(names, d.flags.Changed); i >= 0 {
		return "--" + names[i]
	}
	return ""
}

func (d *dropFlags) check(cmd *cobra.Command, p *program) error {
	path, err := p.File.Path()
	if err != nil {
		return err
	}
	asked, condition := d.given(protocolFlags), d.given(conditions)
	switch {
	case asked != "" && path != "":
		return cli.InvalidUse(cmd, "%s is for a catalogue in etcd: on a file no query has to be waited for", asked)
	case asked != "" && d.force:
		return cli.InvalidUse(cmd, "--force removes it at once, whatever runs; leave out %s, or --force", asked)
	case asked != "" && condition != "":
		return cli.InvalidUse(cmd, "%s is for a removal at once, and %s asks for the protocol; leave out one of them",
			condition, asked)
	case d.policy != string(deletion.Wait) && d.policy != string(deletion.Cancel):
		return cli.InvalidUse(cmd, "--policy %q is neither %s nor %s", d.policy, deletion.Wait, deletion.Cancel)
	}
	for name, value := range map[string]time.Duration{"--after": d.after, "--delay": d.delay} {
		if err := deletion.CheckDelay(value); err != nil {
			return cli.InvalidUse(cmd, "%s %w", name, err)
		}
	}
	return nil
}

// dropped is what a command drops.
type dropped struct {
	name   string // "LSST.Object", or "LSST"
	what   string // "table LSST.Object"
	direct func(context.Context, *cli.Catalogue, ...cssetcd.WriteOption) (cssetcd.Revision, error)
	mark   func(context.Context, *deletion.Client, ...deletion.Option) (*deletion.Drop, error)
}

// begin begins a drop, or removes something at once, and says which.
func (d *dropFlags) begin(ctx context.Context, css *cli.Catalogue, what dropped) (dropResult, *deletion.Drop, error) {
	r := dropResult{Name: what.name, what: what.what, Way: wayDirect, Changed: true, file: css.Conn == nil}
	if r.file {
		return r, nil, d.remove(ctx, css, what, &r)
	}
	client, err := deletion.NewClient(css.Client)
	if err != nil {
		return r, nil, err
	}
	if d.force {
		r.Way = wayForced
		czars, _ := client.Czars(ctx) // those that can be read
		r.czars = len(czars)
		return r, nil, d.remove(ctx, css, what, &r)
	}
	through, err := d.throughProtocol(ctx, client, what)
	if err != nil {
		return r, nil, err
	}
	if !through {
		if err := d.remove(ctx, css, what, &r); !errors.Is(err, cssetcd.ErrCzarsRegistered) {
			return r, nil, err
		}
	}
	if condition := d.given(conditions); condition != "" {
		return r, nil, cli.Hinted(cli.BadInput("%s cannot be dropped with %s: czars are registered or a drop has begun, "+
			"and the protocol knows no conditions",
			what.what, condition),
			"look at it with `css-sync drops show` and `css-sync table show`; --force removes it at once under the condition")
	}
	drop, err := d.mark(ctx, css, client, what, &r)
	return r, drop, err
}

// remove removes it at once.
func (d *dropFlags) remove(ctx context.Context, css *cli.Catalogue, what dropped, r *dropResult) error {
	var err error
	if r.LeftChildren, err = d.children(ctx, css, what); err != nil {
		return err
	}
	opts := d.only.options()
	if d.ifExists {
		opts = append(opts, cssetcd.IfExists())
	}
	if d.force {
		opts = append(opts, cssetcd.Unsafe())
	}
	r.Revision, err = what.direct(ctx, css, opts...)
	r.Changed = r.Revision != 0
	return err
}

// throughProtocol reports whether a drop goes through the protocol: it was asked for, there are czars, or it has begun.
func (d *dropFlags) throughProtocol(ctx context.Context, client *deletion.Client, what dropped) (bool, error) {
	if d.given(protocolFlags) != "" {
		return true, nil
	}
	czars, err := client.Czars(ctx)
	if len(czars) > 0 {
		return true, nil // although one cannot be read: it is waited for
	}
	if err != nil {
		return false, err
	}
	if _, err := client.Timing(ctx); err != nil { // settings that do not fit stop every drop
		return false, err
	}
	return client.Begun(ctx, what.name)
}

// mark begins a drop through the protocol.
func (d *dropFlags) mark(ctx context.Context, css *cli.Catalogue, client *deletion.Client, what dropped,
	r *dropResult) (*deletion.Drop, error) {
	opts := []deletion.Option{deletion.WithPolicy(deletion.Policy(d.policy))}
	if d.leaveChildren { // otherwise the client looks for them
		var err error
		if r.LeftChildren, err = d.children(ctx, css, what); err != nil {
			return nil, err
		}
		opts = append(opts, deletion.Force())
	}
	delay := d.delay
	if d.flags.Changed("delay") {
		opts = append(opts, deletion.Delay(delay))
	} else {
		timing, err := client.Timing(ctx)
		if err != nil {
			return nil, err
		}
		delay = timing.Delay
	}
	if d.after > 0 {
		opts = append(opts, deletion.After(d.after))
	}
	drop, err := what.mark(ctx, client, opts...)
	r.Way, r.Changed, r.Phase = wayProtocol, true, deletion.PhaseMarked
	if errors.Is(err, deletion.ErrDropPending) || errors.Is(err, deletion.ErrRequested) {
		return d.join(ctx, client, what, r, err)
	}
	if d.ifExists && (errors.Is(err, cssetcd.ErrNoSuchDB) || errors.Is(err, cssetcd.ErrNoSuchTable)) {
		r.Changed, r.Phase = false, ""
		return nil, nil
	}
	if err != nil {
		return nil, hasChildren(what, err)
	}
	r.Revision, r.Incarnation = drop.Mark(), drop.Incarnation()
	r.DelaySeconds, r.AfterSeconds = int(delay/time.Second), int(d.after/time.Second)
	if d.after > 0 {
		r.Phase = deletion.PhaseRequested
	}
	if s, err := client.Status(ctx, what.name); err == nil {
		r.now = s.Summary()
	}
	return drop, nil
}

// join waits for a drop that has begun already, its own or that of its database, where waiting is wanted; and says else
// how to.
func (d *dropFlags) join(ctx context.Context, client *deletion.Client, what dropped, r *dropResult,
	pending error) (*deletion.Drop, error) {
	if !d.wait {
		return nil, cli.Hinted(pending,
			"`css-sync drops show %s` says how far it is, and `css-sync drops wait %[1]s` waits for it", what.name)
	}
	drop, err := client.Find(ctx, what.name)
	if db, _, isTable := strings.Cut(what.name, "."); isTable && errors.Is(err, deletion.ErrNoDrop) {
		drop, err = client.Find(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(pending, err)
	}
	r.Changed, r.joined, r.Phase = false, drop.Name(), ""
	r.Revision, r.Incarnation = drop.Mark(), drop.Incarnation()
	return drop, nil
}

// children returns what is partitioned by something that is dropped and stays, and refuses that unless it is wanted. It
// is not a part of the transaction: a child that is created at the same moment is not seen, and is as useless as one
// that was created a moment before.
func (d *dropFlags) children(ctx context.Context, css *cli.Catalogue, what dropped) (names []string, err error) {
	wanted := d.force || d.leaveChildren
	children, err := deletion.Children(ctx, css.Client, what.name)
	switch {
	case wanted && errors.Is(err, cssetcd.ErrInvalid):
		return nil, nil // the removal says what is wrong with the name, if that is in its way
	case err != nil:
		return nil, err
	case len(children) > 0 && !wanted:
		return nil, hasChildren(what, &deletion.ChildrenError{Children: children})
	}
	for _, c := range children {
		names = append(names, c.String())
	}
	return names, nil
}

// someOf lists the first names, and how many more there are.
func someOf(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// hasChildren says what to do about children.
func hasChildren(what dropped, err error) error {
	if children := (*deletion.ChildrenError)(nil); errors.As(err, &children) {
		return cli.Hinted(fmt.Errorf("drop %s: %w", what.what, children),
			"drop those first; --leave-children drops it nevertheless, and they cannot be queried any more")
	}
	return err
}
