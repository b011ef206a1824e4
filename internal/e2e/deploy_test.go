package e2e

import "testing"

// Three relays serve one fleet, one of them is killed, and the same is asked
// again; a leaf joins an agent to the others, and is killed, too: the page is followed to the letter.
func TestDeployPage(t *testing.T) {
	t.Parallel()
	followPage(t, "deploy.md", `enrolled as agent`, `(?s)1 of 1 agent answered.*1 of 1 agent answered.*2 of 2 agents answered.*2 of 2 agents answered`, `waits? for the relays`) // what came a moment ago may still wait
}

// A relay is watched by its own command, as a person and as a program: the page
// is followed to the letter.
func TestWatchingPage(t *testing.T) {
	t.Parallel()
	followPage(t, "watching.md", `agents +1 connected here, 0 at other relays, of 1\n`, `"agents":\{"connected":1,"elsewhere":0,"known":1\}`, `"wrong":\[`)
}
