package signing

import "testing"

func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	e := signedPlan(b, h.plan(), h.alice)
	raw := e.Encode()
	for b.Loop() {
		e, err := ParseEnvelope(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.policy.Verify(e, VerifyOptions{At: now()}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyMegabyte(b *testing.B) {
	h := newHouse(b)
	p := h.plan()
	p.Compiled = make([]byte, 1<<20)
	raw := signedPlan(b, p, h.alice).Encode()
	b.SetBytes(1 << 20)
	for b.Loop() {
		e, err := ParseEnvelope(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.policy.Verify(e, VerifyOptions{At: now()}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMember(b *testing.B) {
	h := newHouse(b)
	raw := h.token(b, h.admin).Enroll(agent(b).Public(), "web-1", now()).Encode()
	for b.Loop() {
		m, err := DecodeMembership(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.policy.Member(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePolicy(b *testing.B) {
	h := newHouse(b)
	for b.Loop() {
		if _, err := ParsePolicy([]byte(h.text)); err != nil {
			b.Fatal(err)
		}
	}
}
