package agent

import "slices"

// Routes returns the methods and paths that an agent takes.
func Routes() map[string][]string {
	all := map[string][]string{}
	for _, r := range (&Agent{}).routes() {
		all[r.Path] = append(all[r.Path], r.Method)
		slices.Sort(all[r.Path])
	}
	return all
}
