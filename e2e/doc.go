// Package e2e has scenarios over real processes: css-sync as an operator runs it, a real etcd and a real MariaDB, killed,
// paused and cut off while others write.
package e2e
