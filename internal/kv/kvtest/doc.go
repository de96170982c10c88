// Package kvtest holds what tests of and above package kv share: the conformance suite that every [kv.Store] passes, a
// naive [Model] to compare with, and stores that misbehave on request: [Faults] loses answers, [Hooks] lets a test come
// between.
package kvtest
