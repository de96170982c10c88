//go:build !race

package cssetcd_test

// underRace says that the race detector is on.
const underRace = false
