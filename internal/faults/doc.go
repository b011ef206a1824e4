// Package faults runs a whole fleet under faults and then counts its answers.
//
// It is a test alone. A relay, agents and investigators are started as
// processes of their own, and are killed, paused, cut off, stalled, starved of
// descriptors and of disk, set to other times, and have bytes of their files
// flipped, while one plan after the other is asked. What every agent must
// answer is known beforehand, so each row can be looked at. The schedule of
// faults is drawn from a seed, which a failure prints: TestFleetUnderFaults,
// and make faults T=30m SEED=7.
//
// Several relays serve the fleet together: three, unless -relays says how many.
package faults
