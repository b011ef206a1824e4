package agent

import "time"

// What a relay sends in vain, such as plans that are refused, costs this host
// signatures, a sealed answer, a record of the journal and a line of the log.
// vainFree of them cost the relay nothing: it may offer again what it cannot know
// to have arrived, and a policy can have many plans refused at once. Further ones
// are taken no faster than one each vainEvery.
const (
	vainFree  = 256
	vainEvery = 100 * time.Millisecond
)

// A forbearance is what an agent has with relays. The zero one is whole. It is
// for the goroutine that judges.
type forbearance struct {
	whole time.Time // when it is
}

// spend takes from it for one thing that came in vain, and gives how long the
// next one has to wait.
func (f *forbearance) spend(now time.Time) time.Duration {
	if f.whole.Before(now) {
		f.whole = now
	}
	f.whole = f.whole.Add(vainEvery)
	return f.whole.Sub(now) - vainFree*vainEvery
}
