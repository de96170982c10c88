// Package workers measures what is between workers and czars, and between the processes of a worker: the inventory.
package workers
