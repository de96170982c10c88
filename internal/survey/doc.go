// Package survey has catalogues to show and to measure with: a small invented
// sky survey for the demo and for tests, and one of any size for benchmarks.
//
// # The sample
//
// The Meridian survey is our own invention. Its first year, meridian_y1, is
// published; its second, meridian_y2, belongs to the same family, that is, cuts
// the sky in the same way. It has director tables (Object, RefStar), children
// with positions (Detection) and without (LightCurve), a match table
// (ObjectRefStar), tables that every worker holds whole (Band, Exposure), three
// workers and chunks with two replicas each.
//
// The file meridian.json is what cssetcd writes for it; a test keeps it so.
package survey
