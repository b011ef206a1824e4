package hostfs

import "testing"

func makePipe(t *testing.T, _ string) { t.Fatal("there are none here") }
