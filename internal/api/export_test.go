package api

import "github.com/qserv/css-etcd/cssetcd"

// Routes returns the methods and paths that an API takes, as the contract writes them.
func (a *API) Routes() map[string][]string {
	all := map[string][]string{}
	for _, r := range a.routes() {
		all[r.path] = append(all[r.path], r.method)
	}
	return all
}

// KnownErrors are the errors that have a code, by that code.
func KnownErrors() map[string]error {
	all := map[string]error{}
	for _, k := range problems {
		all[k.code] = k.err
	}
	return all
}

// StatusOf returns what is told of an error.
func StatusOf(err error) (status int, code string) {
	p := problemOf(err)
	return p.status, p.Code
}

// Bound makes an API remember less.
func (a *API) Bound(steps, bytes int) {
	a.recent.mu.Lock()
	defer a.recent.mu.Unlock()
	a.recent.maxSteps, a.recent.maxBytes = steps, bytes
}

// Take has an API take in an update of the view, in place of Run.
func (a *API) Take(u cssetcd.Update) error { return a.recent.add(u) }

// Knows reports whether a watch can begin after a revision.
func (a *API) Knows(rev cssetcd.Revision) bool {
	_, ok := a.recent.find(rev)
	return ok
}

// Kept returns how many bytes of what happened are kept.
func (a *API) Kept() int {
	a.recent.mu.Lock()
	defer a.recent.mu.Unlock()
	return a.recent.bytes
}
