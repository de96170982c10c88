package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

func TestParityGetDbNames(t *testing.T) {
	var names []string
	for db, err := range load(t, parity(t)).Databases() {
		require.NoError(t, err)
		names = append(names, db.Name)
	}
	assert.Equal(t, []string{"match", "sky", "user"}, names, "in byte order")
	assert.Empty(t, dbStatuses(t, load(t, csstest.New(t))), "upstream fails when nothing has been created yet")
}

func TestParityGetDbStatus(t *testing.T) {
	assert.Equal(t, map[string]string{"sky": "READY", "user": "archived", "match": "DO_NOT_USE"},
		dbStatuses(t, load(t, parity(t))))
}

func TestParitySetDbStatus(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	ok(t)(c.SetDatabaseStatus(ctx, "sky", "DEAD"))
	ok(t)(c.SetDatabaseStatus(ctx, "user", cssetcd.StatusReady))
	ok(t)(c.SetDatabaseStatus(ctx, "match", ""))
	assert.Equal(t, map[string]string{"sky": "DEAD", "user": "READY", "match": ""}, dbStatuses(t, load(t, c)))
	require.ErrorIs(t, errOf(c.SetDatabaseStatus(ctx, "none", cssetcd.StatusReady)), cssetcd.ErrNoSuchDB)
}

func TestParityContainsDb(t *testing.T) {
	c := parity(t)
	for _, name := range []string{"sky", "user", "match"} {
		must(c.Database(t.Context(), name))(t)
	}
	for _, name := range []string{"sk", "skyy", "SKY", "", "sky/TABLES", "none"} {
		require.ErrorIs(t, errOf(c.Database(t.Context(), name)), cssetcd.ErrNoSuchDB, name)
	}
}

func TestParityGetDbStriping(t *testing.T) {
	c := parity(t)
	db := must(c.Database(t.Context(), "sky"))(t)
	assert.Equal(t, &cssetcd.Striping{ID: "0000000001", Stripes: 60, SubStripes: 18, Overlap: 0.025}, db.Striping)
	db = must(c.Database(t.Context(), "user"))(t)
	assert.Nil(t, db.Striping)
	require.ErrorIs(t, errOf(c.Database(t.Context(), "none")), cssetcd.ErrNoSuchDB)
}

func TestParityCreateDb(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "plain", StorageClass: "L2", ReleaseStatus: "UNRELEASED"}))
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{
		Name: "striped", StorageClass: "L2", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: 50, SubStripes: 25, Overlap: 0.01},
	}))
	plain := must(c.Database(ctx, "plain"))(t)
	assert.Nil(t, plain.Striping)
	assert.Equal(t, "UNRELEASED", plain.ReleaseStatus)
	striped := must(c.Database(ctx, "striped"))(t)
	assert.Equal(t, &cssetcd.Striping{ID: "0000000002", Stripes: 50, SubStripes: 25, Overlap: 0.01}, striped.Striping)
	assert.Equal(t, cssetcd.StatusReady, striped.Status)
	// Upstream writes over a database that is there.
	require.ErrorIs(t, errOf(c.CreateDatabase(ctx, *plain)), cssetcd.ErrDBExists)
	// Upstream takes stripes of 0 or below for a database without partitioning; that is said by nil here.
	for _, s := range []cssetcd.Striping{{}, {Stripes: -1, SubStripes: 1}, {Stripes: 1}} {
		require.ErrorIs(t, errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "new", Striping: &s})), cssetcd.ErrInvalid)
	}
}

func TestParityCreateDbLike(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{
		Name: "striped", StorageClass: "L3", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: 50, SubStripes: 25, Overlap: 0.01},
	}))
	ok(t)(c.CreateDatabaseLike(ctx, "striped2", "striped"))
	ok(t)(c.CreateDatabaseLike(ctx, "user2", "user"))
	ok(t)(c.CreateDatabaseLike(ctx, "sky2", "sky"))
	s := load(t, c)
	for like, of := range map[string]string{"striped2": "striped", "user2": "user", "sky2": "sky"} {
		model := must(s.Database(of))(t)
		db := must(s.Database(like))(t)
		assert.Equal(t, model.Striping, db.Striping, "the same partitioning, with its id")
		assert.Equal(t, model.StorageClass, db.StorageClass)
		assert.Equal(t, model.ReleaseStatus, db.ReleaseStatus)
		assert.Equal(t, cssetcd.StatusReady, db.Status)
	}
	require.ErrorIs(t, errOf(c.CreateDatabaseLike(ctx, "new", "none")), cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, errOf(c.CreateDatabaseLike(ctx, "user", "sky")), cssetcd.ErrDBExists)
}

func TestParityDropDb(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "empty"}))
	ok(t)(c.DropDatabase(ctx, "empty"))
	ok(t)(c.DropDatabase(ctx, "sky"))
	require.ErrorIs(t, errOf(c.DropDatabase(ctx, "sky")), cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, errOf(c.DropDatabase(ctx, "none")), cssetcd.ErrNoSuchDB)
	s := load(t, c)
	assert.Equal(t, map[string]string{"user": "archived", "match": "DO_NOT_USE"}, dbStatuses(t, s))
	for key := range s.Below("/DBS/sky") {
		t.Errorf("%s is left", key)
	}
	_, there := s.Key("/PARTITIONING/_0000000001")
	assert.True(t, there,
		"the partitioning stays, as in upstream: other databases may have it, and its id is not used again")
}
