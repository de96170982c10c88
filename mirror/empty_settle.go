package mirror

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/emptychunks"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// settle does what follows for one database.
func (k *emptyKeeper) settle(ctx context.Context, db *kvdata.Empty, name string, have *cssetcd.Snapshot,
	mysql sighting) error {
	etcd, d, err := dueFor(have, k.records[name], name, mysql.side, k.taking)
	switch {
	case err != nil:
		k.tell(name, "the table stays as it is", err)
		return nil
	case d.Action == emptychunks.Nothing:
		k.told[name], k.missed[name] = "", 0
		return nil
	case d.Foreign && time.Since(mysql.since) < k.pace.settle:
		k.miss(name)
		return nil
	}
	if d.Action == emptychunks.Take || d.Action == emptychunks.Forget {
		// Somebody may be writing it by now, which does not show in when it was written last.
		if side, err := db.Read(ctx, name); err != nil || !side.Equal(mysql.side) {
			delete(k.seen, name)
			k.miss(name)
			return nil
		}
	}
	err = k.act(ctx, db, d, have, kvdata.EmptyChange{DB: name, Found: mysql.side, Now: etcd, Revision: have.Revision(),
		Lost: d.Overrules})
	switch {
	case errors.Is(err, ErrBusy), errors.Is(err, kvdata.ErrEmptyMoved), errors.Is(err, cssetcd.ErrRevisionMismatch):
		delete(k.seen, name) // decided anew at the next look
		k.miss(name)
		return nil
	case err != nil && ctx.Err() == nil && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrUnavailable):
		k.lacking = true // over a new connection it may be possible
		k.tell(name, "empty chunks: cannot "+d.Action.String(), err)
		return nil
	}
	return err
}

// act carries out a decision, and puts on record what both sides then say.
func (k *emptyKeeper) act(ctx context.Context, db *kvdata.Empty, d emptychunks.Decision, have *cssetcd.Snapshot,
	c kvdata.EmptyChange) (err error) {
	was := c.Now
	switch d.Action {
	case emptychunks.Write:
		err = db.Write(ctx, c)
	case emptychunks.Remove:
		err = db.Remove(ctx, c)
	case emptychunks.Record:
		err = db.Record(ctx, c)
	default:
		err = k.take(ctx, db, have, c)
		c.Now = c.Found
	}
	if err != nil {
		return err
	}
	k.agreed(c)
	if k.done != nil && d.Action != emptychunks.Record {
		k.done(EmptyDifference{DB: c.DB, MySQL: c.Found, Etcd: was, Action: d.Action})
	}
	k.told[c.DB], k.missed[c.DB] = "", 0
	delete(k.seen, c.DB)
	log := k.log.With("database", c.DB, "chunks", c.Now.Set.Len(), "revision", c.Revision)
	if d.Overrules {
		log.Warn("others changed the empty chunks in MySQL, which is undone; css_mirror_empty.lost has what they were",
			"known", c.Found.Known, "more", c.Found.Set.Difference(c.Now.Set).Len(),
			"fewer", c.Now.Set.Difference(c.Found.Set).Len())
	} else if d.Action != emptychunks.Record && k.done == nil {
		log.Info("empty chunks: " + d.Action.String())
	}
	return nil
}

// agreed notes what both sides say.
func (k *emptyKeeper) agreed(c kvdata.EmptyChange) {
	if !c.Now.Known {
		delete(k.records, c.DB)
		return
	}
	k.records[c.DB] = kvdata.Agreed{OnRecord: emptychunks.RecordOf(c.Now), Revision: c.Revision}
}

// resolve fails with ErrRevisionMismatch where an earlier take has happened that the view does not show yet: it would
// be off the record with the next one, and what it wrote be taken for somebody else's.
func (k *emptyKeeper) resolve(ctx context.Context, have *cssetcd.Snapshot, db string) error {
	if !k.records[db].Taking {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.pace.write)
	defer cancel()
	now, err := k.catalogue.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	if now.EmptyChunksModified(db) != have.EmptyChunksModified(db) {
		k.reached = max(k.reached, now.Revision())
		return fmt.Errorf("%w: the view does not show revision %d yet", cssetcd.ErrRevisionMismatch, now.Revision())
	}
	return nil
}

// take makes etcd say what the table says, unless etcd has moved on from what was decided about.
func (k *emptyKeeper) take(ctx context.Context, db *kvdata.Empty, have *cssetcd.Snapshot, c kvdata.EmptyChange) error {
	if err := k.resolve(ctx, have, c.DB); err != nil {
		return err
	}
	r := k.records[c.DB]
	if err := db.Taking(ctx, c, r.Taking); err != nil {
		return err
	}
	if r.Taking {
		r.Revision = c.Revision
	}
	k.records[c.DB] = kvdata.Agreed{OnRecord: r.Take(c.Now, c.Found), Revision: r.Revision, Decided: c.Revision}
	unchanged := cssetcd.IfRevision(have.EmptyChunksModified(c.DB))
	ctx, cancel := context.WithTimeout(ctx, k.pace.write)
	defer cancel()
	var rev cssetcd.Revision
	var err error
	if c.Found.Known {
		rev, err = k.Writer.SetEmptyChunks(ctx, c.DB, c.Found.Set, unchanged)
	} else {
		rev, err = k.Writer.ForgetEmptyChunks(ctx, c.DB, unchanged)
	}
	if err != nil {
		return err
	}
	k.reached = max(k.reached, rev)
	c.Now, c.Revision = c.Found, max(rev, c.Revision)
	return db.Record(ctx, c)
}

// tell notes what is wrong with a database, or with all of them. It is not waited for any more.
func (k *emptyKeeper) tell(name, what string, err error) {
	k.told[name] = fmt.Sprintf("%s: %s", what, err)
	if name != "" {
		k.missed[name] = 0
		k.told[name] = "database " + name + ": " + k.told[name]
	}
}

// digits are what differs in the text of one trouble from time to time, such as ports.
var digits = regexp.MustCompile(`\d+`)

// mostNamed is of how many databases it is told what is wrong.
const mostNamed = 3

// tellAll reports what is wrong, where that is something else than before, and first of all.
func (k *emptyKeeper) tellAll() {
	text := strings.Join(k.texts(), "; ")
	if !k.looked || text != k.reported {
		k.report(text, digits.ReplaceAllString(text, "") != digits.ReplaceAllString(k.reported, ""))
		k.looked, k.reported = true, text
	}
}
