package value

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

func TestWireExample(t *testing.T) {
	v := NewList([]Value{{}, NewSize(10_000_000), NewText("a")})
	if got := hex.EncodeToString(AppendBinary(nil, v)); got != "0e03000680dac409010161" {
		t.Errorf("the example of the package comment is %s", got)
	}
}

func TestWireRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "v")
		enc := AppendBinary(nil, v)
		got, rest, err := DecodeBinary(append(enc[:len(enc):len(enc)], "tail"...))
		if err != nil || string(rest) != "tail" || key(got) != key(v) || got.Literal() != v.Literal() {
			t.Fatalf("%s came back as %s, rest %q, %v", v.Literal(), got.Literal(), rest, err)
		}
		for n := range enc {
			if _, _, err := DecodeBinary(enc[:n]); err == nil {
				t.Fatalf("%x was accepted without its end", enc)
			}
		}
	})
}

func TestWireRefuses(t *testing.T) {
	for name, h := range map[string]string{
		"unknown type": "0f", "long varint": "038000", "long uvarint": "0181006100", "bool of 2": "0502",
		"other nan": "047ff8000000000000", "nanoseconds": "08008094ebdc03", "scheme": "0c050131", "mode of 33 bits": "0d8080808010",
		"address of 5": "09050102030405", "prefix of 33": "0a040102030421", "mapped zone": "0910" + "00000000000000000000ffff01020304" + "0161",
		"list longer than input": "0eff01", "text longer than input": "01ffffffffffffffff7f", "nine lists": "0e010e010e010e010e010e010e010e010e00", "empty": "",
	} {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		if v, _, err := DecodeBinary(b); err != ErrMalformed {
			t.Errorf("%s: %s, %v", name, v.Literal(), err)
		}
	}
}

func FuzzDecodeBinary(f *testing.F) {
	for _, v := range sample(f) {
		f.Add(AppendBinary(nil, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := DecodeBinary(b)
		if err != nil {
			return
		}
		if enc := AppendBinary(nil, v); !bytes.Equal(enc, b[:len(b)-len(rest)]) {
			t.Fatalf("%x decodes to %s, which encodes to %x", b, v.Literal(), enc)
		}
	})
}
