// Package simulation holds no code but tests: whole worlds of czars, coordinators and users, made from a seed, in which
// everything that can go wrong does, while the step functions and the transactions of package protocol are the real
// ones.
//
// A world is one goroutine and one queue of events in virtual time, so a seed always gives the same world. What must
// never happen is checked at each step, and what must happen in the end is checked after all faults have healed. Each
// rule of the protocol is taken away in a world that then breaks: so it is known that the checks can see.
package simulation
