// Package shm keeps the inventory of one worker in a block of shared memory, for the processes of that worker that do
// not speak etcd.
//
// It is one file, in /dev/shm, that all of them map into their memory. One [Writer] writes it, and any number of
// readers read it: a [Reader] in Go, or a program in any language, after docs/SHM.md. A reader makes no system call,
// waits for nobody, and never sees half an update:
//
//   - The file has room for two images. The writer writes the one that nobody reads, and then says, with one store of
//     the sequence number, that this is the one. A reader that was overtaken while it read sees that the number has
//     moved, and reads again.
//   - So a writer that dies at any moment leaves the last whole image behind, and no reader waits for it.
//   - One writer at a time: it holds a lock of the kernel (flock) on a file beside it that only its user can open. The
//     lock goes with the process.
//   - What does not fit is written further behind, and the file grows. Readers find that the image lies beyond what
//     they have mapped, and map it anew. A file never shrinks.
//
// This is a sequence lock without its weakness: in the usual one the writer marks the data as being written, and who
// dies meanwhile locks all readers out.
package shm
