// Package measure has our side and a peer take turns, makes figures of what they took, and prints these. It does not
// know what is measured.
//
// No figure stands alone: each is the ratio between our side and a peer that
// does the same work in the plainest way, on the same servers, in the same run.
// The two take turns in blocks (ours, peer, ours, peer), after one block of each
// that is thrown away. The ratio is the median of the rounds' ratios: a
// disturbance of one round does not decide, and one that lasts meets both
// sides.
//
// A figure that is about more than a ratio has further numbers, [Also], some of
// them with goals of their own. A missed goal is a result like any other, not an
// error.
package measure
