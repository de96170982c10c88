//go:build !race

package testkit

// RaceDetector says whether the tests run under it.
const RaceDetector = false
