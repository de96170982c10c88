package catalogue

import "runtime"

// heldBy returns by how many bytes the live heap is larger for what f returns, and that, which keeps it alive.
func heldBy[T any](f func() (T, error)) (bytes float64, made T, err error) {
	before := liveHeap()
	if made, err = f(); err != nil {
		return 0, made, err
	}
	bytes = liveHeap() - before
	runtime.KeepAlive(made)
	return bytes, made, nil
}

func liveHeap() float64 {
	var m runtime.MemStats
	for range 3 { // what a first collection finalizes, a later one frees
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
