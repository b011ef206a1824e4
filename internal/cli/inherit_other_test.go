//go:build !unix

package cli

import "errors"

func inherited(string) (fd string, closeFD func(), err error) {
	return "", nil, errors.New("descriptors are not inherited by their number here")
}
