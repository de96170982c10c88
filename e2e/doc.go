// Package e2e has, in its packages, scenarios over real processes: css-sync as an operator runs it, a real etcd and a
// real MariaDB, killed, paused and cut off while others write (mirror); views of an etcd whose members suffer the same
// (views); czars and coordinators whose queries and drops meet on real tables meanwhile (drops); and writers in MySQL
// and in Go who write the same names, with a judge who knows nothing but etcd's history and what they say (both).
//
// SOAK=1 runs the long forms, for SOAK_TIME where one takes its time from there. SEED repeats the choices of a run of
// drops and of both; how processes take turns is not repeated.
package e2e
