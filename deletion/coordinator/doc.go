// Package coordinator carries out the drops that clients of package deletion begin.
//
// Any number of coordinators may run; one leads, and the others take over when it is gone. It marks what was requested
// for later, waits for the agreed delay, for the czars and for a [QueryTracker], makes the catalogue forget what was
// marked, and then has a [Dropper] remove the data. It also ends the registrations of czars that are not heard of any
// more.
package coordinator
