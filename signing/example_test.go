package signing_test

import (
	"context"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

// An administrator writes a policy, an investigator signs a plan, and an agent
// decides.
func Example() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	root, _ := signing.NewPrivateKey("root", "root@example.com", now)
	alice, _ := signing.NewPrivateKey("alice", "alice@example.com", now)
	alice.Clock = func() time.Time { return now }

	fleet := signing.NewID()
	policy, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{
		Fleet: fleet, Name: "example",
		Administrators: []signing.PrincipalSpec{{Name: "root", Key: root.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "alice", Key: alice.Public()}},
	})))
	if err != nil {
		fmt.Println(err)
		return
	}

	plan := &signing.PlanPayload{
		Version: signing.Version, ID: signing.NewID(), Fleet: fleet,
		Query: "FROM fleet FIND host", Compiled: []byte("…"), Modules: []string{"host"},
		Planned: now, NotBefore: now, Expires: now.Add(time.Hour),
		Purpose: "an example", ReplyKey: []byte("…"), Cancel: make([]byte, 32),
	}
	e := &signing.Envelope{PayloadType: signing.TypePlan, Payload: plan.Encode()}
	if err := e.Sign(context.Background(), alice); err != nil {
		fmt.Println(err)
	}
	received, err := signing.ParseEnvelope(e.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := policy.Verify(received, signing.VerifyOptions{At: now})
	fmt.Println(v.Weight(), v.Payload().Query, err)
	_, err = policy.Verify(received, signing.VerifyOptions{At: now.Add(2 * time.Hour)})
	fmt.Println(err)
	// Output:
	// 1 FROM fleet FIND host <nil>
	// the plan expired at 2026-03-01 13:00:00Z, and it is 2026-03-01 14:00:00Z
}
