package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/quaestor-engine/quaestor/internal/render"
)

// widthOf gives the columns of the terminal that w is, or 0 where it is none.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// options says what w can show. Colours are for terminals that want them.
func (a *app) options(w io.Writer, colour string) render.Options {
	o := render.Options{Width: widthOf(w)}
	switch colour {
	case "always":
		o.Colour = true
	case "auto":
		o.Colour = o.Width > 0 && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
	}
	return o
}
