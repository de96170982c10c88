package api

import (
	"context"
	"net/http"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
)

func readEmptyChunks(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	db := r.PathValue("db")
	set, err := s.EmptyChunks(db)
	return answer{body: form.OfEmptyChunks(db, set), tag: tagOf(s.EmptyChunksModified(db))}, stored(err)
}

// readAllEmptyChunks lists the sets that are known, or that of one database, if it is known.
func readAllEmptyChunks(s *cssetcd.Snapshot, _ *http.Request, q *query) (answer, error) {
	all := []form.EmptyChunks{}
	for db := range s.EmptyChunksKnown() {
		if q.given(paramDatabase) && q.text(paramDatabase) != db {
			continue
		}
		set, err := s.EmptyChunks(db)
		f := form.OfEmptyChunks(db, set)
		if err != nil {
			f.Error = err.Error()
		}
		all = append(all, f)
	}
	return answer{body: all}, q.err
}

// chunkSet is the form of a whole set.
type chunkSet struct {
	Chunks *cssetcd.ChunkSet `json:"chunks"`
}

func putEmptyChunks(r *request) (write, error) {
	f, err := parseBody[chunkSet](r.body)
	if err == nil && f.Chunks == nil {
		err = badBody("the body has no chunks; \"\" says that none is empty")
	}
	if err != nil {
		return nil, err
	}
	db, opts := r.PathValue("db"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.SetEmptyChunks(ctx, db, *f.Chunks, opts...)
	}), nil
}

// chunkSetChange is the form of what is added to a set and taken out of it.
type chunkSetChange struct {
	Add    cssetcd.ChunkSet `json:"add"`
	Remove cssetcd.ChunkSet `json:"remove"`
}

func patchEmptyChunks(r *request) (write, error) {
	f, err := parseBody[chunkSetChange](r.body)
	switch both := f.Add.Intersection(f.Remove); {
	case err != nil:
		return nil, err
	case f.Add.IsEmpty() && f.Remove.IsEmpty():
		return nil, badBody("there is nothing to add, and nothing to remove")
	case !both.IsEmpty():
		return nil, badBody("to be added and to be removed: %.100s", both)
	}
	db, opts := r.PathValue("db"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.ChangeEmptyChunks(ctx, db, f.Add, f.Remove, opts...)
	}), nil
}

func deleteEmptyChunks(r *request) (write, error) {
	db, opts := r.PathValue("db"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.ForgetEmptyChunks(ctx, db, opts...)
	}), nil
}
