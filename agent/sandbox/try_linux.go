package sandbox

func (Trial) run() []Door { return nil }
