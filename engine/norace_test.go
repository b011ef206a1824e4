//go:build !race

package engine_test

// raceDetector says that sync.Pool forgets at random.
const raceDetector = false
