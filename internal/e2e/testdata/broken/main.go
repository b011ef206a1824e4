// Command broken is an agent that passes its check, and then is none.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// release and how are set by the linker.
var release, how string

func main() {
	switch word := os.Args[len(os.Args)-1]; {
	case word == "selfcheck" && how == "unchecked":
		fmt.Fprintln(os.Stderr, "panic: no check")
		os.Exit(2)
	case word == "selfcheck":
		fmt.Printf("{\"release\":%q,\"os\":%q,\"arch\":%q}\n", release, runtime.GOOS, runtime.GOARCH)
	case how == "hangs":
		time.Sleep(time.Hour)
	case how == "dies":
		fmt.Fprintln(os.Stderr, "panic: it dies at once")
		os.Exit(3)
	case how == "later" && word == "try":
		fmt.Println("well") // and dies as soon as it is active
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
	case how == "later":
		os.Exit(4)
	}
}
