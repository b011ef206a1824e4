package file

// acquire gives the handle of a directory, opened if it is not, for use until
// release.
func (w *worker) acquire(d *dir) (handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOpen {
		d.users++
		return d.h, nil
	}
	base, name := nowhere(), d.real
	if d.real == nil {
		var err error
		if base, err = w.acquire(d.parent); err != nil {
			return handle{}, err
		}
		defer w.release(d.parent)
		name = d.name
	}
	h, err := w.patiently(func() (handle, error) { return w.fs.openDir(base, name) })
	if err != nil {
		return handle{}, err
	}
	h.own = d.own
	d.h, d.isOpen = h, true
	d.users++
	w.s.open.Add(1)
	return h, nil
}

// patiently tries to open something for as long as that fails only because
// too much is open, up to a tenth of a second.
func (w *worker) patiently(open func() (handle, error)) (handle, error) {
	for try := 0; ; try++ {
		h, err := open()
		if err == nil || !isFull(err) || try == 100 {
			return h, err
		}
		pause()
	}
}

// release ends a use. The directory stays open for its children, unless too
// many are: then it is opened again when one needs it.
func (w *worker) release(d *dir) {
	d.mu.Lock()
	d.users--
	w.close(d)
	d.mu.Unlock()
}

// settle tells d that one of its children, or a piece of its listing, has what
// it needed.
func (w *worker) settle(d *dir) {
	d.mu.Lock()
	d.pending--
	w.close(d)
	d.mu.Unlock()
}

// close closes d if it may; d.mu is held.
func (w *worker) close(d *dir) {
	if !d.isOpen || d.users > 0 || d.pending > 0 && w.s.open.Load() <= w.s.bound {
		return
	}
	w.fs.close(d.h)
	d.isOpen = false
	w.s.open.Add(-1)
}
