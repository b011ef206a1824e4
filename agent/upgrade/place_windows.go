package upgrade

import "context"

// takePlace has a program do the work of this one. Windows cannot put one in the
// place of another, and its service manager speaks to the process that it
// started: that stays, and passes on the end.
func (s *Starter) takePlace(ctx context.Context, _ string) error {
	if s.Watched {
		return ErrAgain
	}
	return s.supervise(ctx, restartAfter)
}
