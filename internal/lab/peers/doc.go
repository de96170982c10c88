// Package peers has the peers on MySQL that several figures, or their tests, know: the statements that Qserv's own code
// sends, the least that a mirror has to do, and a kvData filled in the plainest way.
package peers
