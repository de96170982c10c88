// Package drops has the figures of dropping, and of the gate that admits queries.
package drops
