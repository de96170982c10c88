package api

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

// Kept returns how many bytes of what happened are kept.
func (a *API) Kept() int {
	a.recent.mu.Lock()
	defer a.recent.mu.Unlock()
	return a.recent.bytes
}
