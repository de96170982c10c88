package shm

import "errors"

// What can be wrong with a block.
var (
	// ErrNoBlock says that there is no block, or none that has been written yet.
	ErrNoBlock = errors.New("there is no inventory in shared memory yet")
	// ErrNotBlock says that a file is something else, of another version, or of another worker.
	ErrNotBlock = errors.New("the file is not what is wanted")
	// ErrDamaged says that what a block holds cannot be what a writer wrote.
	ErrDamaged = errors.New("the block in shared memory is damaged")
	// ErrWritten says that another process writes the block.
	ErrWritten = errors.New("another process writes the block")
)
