// Package e2e has, in its packages, scenarios over real processes: css-sync as an operator runs it, a real etcd and a
// real MariaDB, killed, paused and cut off while others write (mirror); views of an etcd whose members suffer the same
// (views); and czars and coordinators whose queries and drops meet on real tables meanwhile (drops).
//
// SOAK=1 runs the long forms, for SOAK_TIME where one takes its time from there. SEED repeats the choices of a run of
// drops; how processes take turns is not repeated.
package e2e
