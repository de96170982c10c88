package mirror_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

func (w *world) refused(want error, change ...func(*mirror.Config)) error {
	w.t.Helper()
	_, err := w.single(change...).Once(w.t.Context())
	require.ErrorIs(w.t, err, want)
	w.t.Log(err)
	return err
}

func allow(c *mirror.Config) { c.AllowMassDelete = true }
func adopt(c *mirror.Config) { c.Adopt = true }

func rule(t *testing.T, err error) plan.BrakeRule {
	t.Helper()
	var refusal *plan.BrakeError
	require.ErrorAs(t, err, &refusal)
	return refusal.Rule
}

// Rule M8: an etcd without a catalogue writes nothing to a table that has rows, and nothing lifts that.
func TestBrakeWithoutACatalogue(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	w.once()
	before := w.rows()
	w.del("/css_meta/version")
	assert.Equal(t, plan.NotACatalogue, rule(t, w.refused(mirror.ErrBrake)))
	assert.Equal(t, plan.NotACatalogue, rule(t, w.refused(mirror.ErrBrake, allow)))
	w.put("/css_meta/version", "2")
	assert.Equal(t, plan.NotACatalogue, rule(t, w.refused(mirror.ErrBrake)))
	assert.Equal(t, before, w.rows())
}

// Rule M8: an emptied catalogue stops a running mirror until someone lets it through, and then the mirror goes on.
func TestBrakeHoldsARunningMirror(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	stop := w.run(m)
	w.await(w.put("/DBS/a", "READY"))
	stop()
	w.forget()
	w.del("/DBS/a")
	m = w.mirror()
	w.run(m)
	s := awaitStatus(t, m, func(s mirror.Status) bool { return s.Phase == mirror.Refused })
	assert.Equal(t, plan.NoDatabase, rule(t, s.Err))
	assert.Equal(t, []string{"/DBS/a"}, w.keys("/DBS/"))
	require.Eventually(t, func() bool {
		_, err := w.single(allow).Once(t.Context())
		return err == nil
	}, patience, 1)
	awaitStatus(t, m, following)
	assert.Empty(t, w.keys("/DBS/"))
}

// Rule M8: the whole catalogue deleted while a mirror follows is not followed.
func TestBrakeWhileFollowing(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "READY"))
	before := w.rows()
	w.txn(clientv3.OpDelete(w.prefix+"/css/", clientv3.WithPrefix()))
	s := awaitStatus(t, m, func(s mirror.Status) bool { return s.Phase == mirror.Refused })
	assert.Equal(t, plan.NotACatalogue, rule(t, s.Err))
	assert.Equal(t, before, w.rows())
}

// Rule M8: when what the brake refused is mended in etcd, the mirror goes on by itself.
func TestBrakeEndsWhenEtcdIsMended(t *testing.T) {
	version := func(w *world) string { return w.prefix + "/css/css_meta/version" }
	for name, tt := range map[string]struct{ harm, mend func(w *world) }{
		"no catalogue": {
			harm: func(w *world) { w.txn(clientv3.OpDelete(w.prefix+"/css/", clientv3.WithPrefix())) },
			mend: func(w *world) { w.txn(clientv3.OpPut(version(w), "1")); w.put("/DBS/b", "READY") },
		},
		"no version for a moment": {
			harm: func(w *world) { w.txn(clientv3.OpDelete(version(w))); w.put("/DBS/a", "FAILED:") },
			mend: func(w *world) { w.txn(clientv3.OpPut(version(w), "1")); w.put("/DBS/b", "READY") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			w.run(m)
			w.await(w.put("/DBS/a", "READY"))
			tt.harm(w)
			awaitStatus(t, m, func(s mirror.Status) bool { return s.Phase == mirror.Refused })
			tt.mend(w)
			awaitStatus(t, m, following)
			require.Eventually(t, func() bool { return w.rows()["/DBS/b"].value == "READY" }, patience, 10*time.Millisecond)
			w.agree()
		})
	}
}

// Rule: a table is never filled from an etcd that is not the one that was asked which catalogue it holds.
func TestFeedOfAnotherCluster(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	w.once()
	before := w.rows()
	server := testkit.Etcd(t, embedetcd.Options{})
	etcd := testkit.ClientOf(t, server)
	other, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	_, err = other.CreateDatabase(t.Context(), cssetcd.Database{Name: "b"})
	require.NoError(t, err)
	foreign, err := other.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	m := w.mirror(func(c *mirror.Config) { c.Feed = &feed{last: foreign, updates: make(chan cssetcd.Update)} })
	w.run(m)
	s := awaitStatus(t, m, func(s mirror.Status) bool { return s.Err != nil })
	require.ErrorContains(t, s.Err, "the catalogue was read from the etcd cluster")
	assert.Equal(t, before, w.rows())
}

// Rule: what was seen to be deleted is deleted, were it everything: only comparing can meet the wrong etcd.
func TestDropOfTheOnlyDatabaseIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "READY"))
	w.await(w.del("/DBS/a"))
	assert.Empty(t, w.keys("/DBS/"))
}

// forget takes away what says how kvData came to be as it is.
func (w *world) forget() { w.exec("DELETE FROM css_mirror_state") }

func TestBrakeOnMassDelete(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	for i := 0; i < 1100; i += 100 {
		var ops []clientv3.Op
		for j := range 100 {
			ops = append(ops, w.opPut(fmt.Sprintf("/many/%d", i+j), ""))
		}
		w.txn(ops...)
	}
	w.once()
	w.forget()
	w.txn(clientv3.OpDelete(w.prefix+"/css/many/", clientv3.WithPrefix()))
	assert.Equal(t, plan.MassDelete, rule(t, w.refused(mirror.ErrBrake)))
	assert.Equal(t, 1101, w.once(allow).Deleted)
}

// Rule: a table that mirrors something else is left alone until its adoption is asked for.
func TestIdentity(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	w.once()
	_, err := w.etcd.Put(t.Context(), w.prefix+"/history", "first")
	require.NoError(t, err)
	w.once() // a history where there was none is no other one
	other := newWorld(t)
	other.target = w.target
	other.put("/DBS/a", "READY")
	for name, attempt := range map[string]func(change ...func(*mirror.Config)) error{
		"another prefix": func(change ...func(*mirror.Config)) error { return other.refused(mirror.ErrIdentity, change...) },
		"another name": func(change ...func(*mirror.Config)) error {
			return w.refused(mirror.ErrIdentity, append(change, func(c *mirror.Config) { c.Name = "second" })...)
		},
		"another history": func(change ...func(*mirror.Config)) error {
			_, err := w.etcd.Put(t.Context(), w.prefix+"/history", "second")
			require.NoError(t, err)
			_, err = mirror.Check(t.Context(), w.target, w.client)
			assert.ErrorIs(t, err, mirror.ErrIdentity)
			return w.refused(mirror.ErrIdentity, change...)
		},
	} {
		assert.ErrorContains(t, attempt(), "--adopt", name)
	}
	state, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	assert.EqualValues(t, 2, state.Term, "who was refused has not taken over")
	other.once(adopt)
	state, err = kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	assert.Equal(t, other.prefix, state.Identity.Prefix)
	other.agree()
}

// Rule: a mirror that was to adopt the table does not adopt it again once another one has: it says whose it is.
func TestAdoptionIsNotTakenBack(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	named := func(name string) *mirror.Mirror {
		return w.mirror(adopt, func(c *mirror.Config) { c.Name = name })
	}
	first, second := named("first"), named("second")
	w.run(first)
	awaitStatus(t, first, following)
	w.run(second)
	// The first may take its table back before the second has written, which then has to ask for it again, too.
	refused, keeps, names := first, second, []any{"second", "first"}
	require.Eventually(t, func() bool {
		if has(mirror.TableOfAnother)(second.Status()) {
			refused, keeps, names = second, first, []any{"first", "second"}
		}
		return has(mirror.TableOfAnother)(refused.Status())
	}, patience, time.Millisecond)
	assert.ErrorContains(t, refused.Status().Err,
		fmt.Sprintf("kept by the mirror %q of this same catalogue, and this is %q", names...))
	w.await(w.put("/DBS/a", "2"))
	term := awaitStatus(t, keeps, following).Term
	w.await(w.put("/DBS/a", "3"))
	assert.Equal(t, term, awaitStatus(t, keeps, following).Term)
}

// Rule M8: an adoption that the brake refuses leaves the table to the mirror that it has.
func TestRefusedAdoption(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	w.once()
	before, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	empty := newWorld(t)
	empty.target = w.target
	require.ErrorContains(t, empty.refused(mirror.ErrBrake, adopt), "databases in kvData is in the catalogue")
	after, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	assert.Equal(t, before.Identity, after.Identity)
	assert.Equal(t, before.Applied, after.Applied)
	w.put("/DBS/b", "READY")
	assert.Equal(t, 1, w.once().Inserted)
	w.agree()
}

func TestMySQLRefuses(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	as := func(user, password string) func(*mirror.Config) {
		return func(c *mirror.Config) {
			c.Target = c.Target.Clone()
			c.Target.User, c.Target.Passwd = user, password
		}
	}
	user := w.target.DBName
	w.exec("CREATE USER " + user + "@localhost IDENTIFIED BY 'secret'")
	assert.ErrorContains(t, w.refused(mirror.ErrUnauthorized, as(user, "wrong")), "check user and password")
	assert.ErrorContains(t, w.refused(mirror.ErrUnauthorized, as(user, "secret")),
		"`css-sync grants` prints what it needs")
	w.exec("GRANT SELECT ON " + user + ".* TO " + user + "@localhost")
	w.refused(mirror.ErrUnauthorized, as(user, "secret"))
	w.exec("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, REFERENCES ON " + user + ".* TO " + user + "@localhost")
	w.once(as(user, "secret"))
	w.exec("REVOKE CREATE, REFERENCES ON " + user + ".* FROM " + user + "@localhost")
	w.once(as(user, "secret")) // what is there need not be created
	w.exec("REVOKE ALL ON " + user + ".* FROM " + user + "@localhost")
	w.exec("GRANT SELECT ON " + user + ".* TO " + user + "@localhost")
	w.exec("GRANT INSERT, UPDATE ON " + user + ".kvData TO " + user + "@localhost")
	assert.ErrorContains(t, w.refused(mirror.ErrUnauthorized, as(user, "secret")), "it lacks DELETE on kvData, "+
		"INSERT on css_mirror_state, UPDATE on css_mirror_state, DELETE on css_mirror_state, INSERT on css_mirror_quarantine")
	for _, statement := range kvdata.Grants(user+"@localhost", user, false) {
		w.exec(statement)
	}
	w.once(as(user, "secret")) // these are enough, and each is needed
	w.exec("REVOKE DELETE ON " + user + ".css_mirror_foreign FROM " + user + "@localhost")
	assert.ErrorContains(t, w.refused(mirror.ErrUnauthorized, as(user, "secret")),
		"it lacks DELETE on css_mirror_foreign;")
	w.refused(mirror.ErrUnavailable, func(c *mirror.Config) {
		c.Target = c.Target.Clone()
		c.Target.Addr += ".not.there"
	})
}

func TestConfigIsValidated(t *testing.T) {
	_, err := mirror.New(mirror.Config{})
	assert.ErrorContains(t, err, "Catalogue")
	assert.ErrorContains(t, err, "Target")
	w := newWorld(t)
	target := w.target.Clone()
	target.DBName = ""
	_, err = kvdata.ReadState(t.Context(), target)
	assert.ErrorContains(t, err, "names no database")
}
