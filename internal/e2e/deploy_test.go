package e2e

import "testing"

// Three relays serve one fleet, one of them is killed, and the same is asked
// again: the page is followed to the letter.
func TestDeployPage(t *testing.T) {
	followPage(t, "deploy.md", `enrolled as agent`, `(?s)1 of 1 agent answered.*1 of 1 agent answered`)
}
