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

// plain is a plan as most are; with parameters it is read by JSON.
func BenchmarkDecodePlan(b *testing.B) {
	h := newHouse(b)
	for name, p := range map[string]*PlanPayload{"plain": h.plain(), "with parameters": h.plan()} {
		p.Compiled, p.ReplyKey, p.Wrapped = make([]byte, 400), make([]byte, 1216), make([]byte, 600)
		raw := p.Encode()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodePlanPayload(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
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
