package translog

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func at() time.Time { return noon }

// A world is a log with two witnesses, of whom both must sign.
type world struct {
	t            testing.TB
	dir, private string
	log          *Log
	keys         *Keys
	seeds        []string // of the witnesses
	witnesses    []*Witness
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "log")}
	private, public := must2(NewLogKey("quaestor-log/test"))(t)
	w.private = private
	var names []string
	for i := range 2 {
		seed, pub := must2(NewWitnessKey(fmt.Sprintf("witness/%d", i)))(t)
		w.seeds, names = append(w.seeds, seed), append(names, pub)
		w.witnesses = append(w.witnesses, must(OpenWitness(t.TempDir(), seed, public, at))(t))
	}
	w.keys = must(ParseKeys(public, names, 2))(t)
	w.reopen()
	return w
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func must2[A, B any](a A, b B, err error) func(testing.TB) (A, B) {
	return func(t testing.TB) (A, B) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
}

func (w *world) reopen() {
	w.log = must(OpenLog(w.dir, w.private))(w.t)
	w.log.hasty = true
}

// entryOf makes an envelope by a number, and what the log says of it.
func entryOf(n int) (Entry, []byte) {
	return Entry{Kind: KindPlan, Name: fmt.Sprintf("%032x", n+1), At: noon.Add(time.Duration(n) * time.Second)}, fmt.Appendf(nil, "envelope %d", n)
}

// grow adds entries, all but the last few at once: each costs the disk a
// moment.
func (w *world) grow(n int) {
	w.t.Helper()
	before := w.log.Size()
	for ; n > 20; n-- {
		e, envelope := entryOf(int(w.log.tree.size))
		e.Sum = SumOf(envelope)
		if err := w.log.tree.Add(e.Encode()); err != nil {
			w.t.Fatal(err)
		}
		w.log.note(e.Encode(), e.Sum)
	}
	if err := w.log.write(before); err != nil {
		w.t.Fatal(err)
	}
	for range n {
		size := int(w.log.Size())
		if i := must(w.log.Append(entryOf(size)))(w.t); i != int64(size) {
			w.t.Fatalf("entry %d has index %d", size, i)
		}
	}
}

// cosigned gives the log's checkpoint with the signatures of both witnesses.
func (w *world) cosigned() []byte {
	w.t.Helper()
	have := w.log.Checkpoint()
	for _, x := range w.witnesses {
		tree := must(w.log.Consistency(x.Last().Size, w.log.Size()))(w.t)
		have = must(w.keys.Merge(have, must(x.Cosign(Head{Checkpoint: w.log.Checkpoint(), Tree: tree}))(w.t)))(w.t)
	}
	return have
}

// prove gives the proof of an entry by a checkpoint that both signed.
func (w *world) prove(n int, from int64) *Proof {
	w.t.Helper()
	signed := w.cosigned()
	_, envelope := entryOf(n)
	return must(w.log.Prove(SumOf(envelope), must(w.keys.Open(signed))(w.t), signed, from))(w.t)
}

// Every entry of logs of every size up to some is proved, and so is that each
// size goes on from each before it; the checks are x/mod's own.
func TestEverySize(t *testing.T) {
	w := newWorld(t)
	var roots []Checkpoint
	for size := range 70 {
		if size > 0 {
			w.grow(1)
		}
		s := must(w.keys.ReadCheckpoint(w.log.Checkpoint()))(t)
		roots = append(roots, s.Checkpoint)
		for from, last := range roots {
			tree := must(w.log.Consistency(int64(from), s.Size))(t)
			if err := Follow(last, s.Checkpoint, tree); err != nil {
				t.Fatalf("%d to %d: %v", from, size, err)
			}
			if from < size {
				if err := Follow(s.Checkpoint, last, tree); !errors.Is(err, ErrRollback) {
					t.Fatalf("%d back to %d: %v", size, from, err)
				}
			}
		}
	}
	for n := range 69 {
		_, envelope := entryOf(n)
		p := w.prove(n, 3)
		e, s, err := w.keys.Check(p, SumOf(envelope))
		if want, _ := entryOf(n); err != nil || e.Name != want.Name || s.Size != 69 || len(s.Witnesses) != 2 {
			t.Fatalf("entry %d: %v, %v", n, e, err)
		}
		if err := p.Follows(roots[3], s); err != nil {
			t.Fatal(err)
		}
	}
}

// Any change of an entry, an index or a hash of a proof is found, and a proof
// is good for its own envelope alone.
func TestEntryAlteredAfter(t *testing.T) {
	w := newWorld(t)
	w.grow(13)
	_, envelope := entryOf(5)
	good := w.prove(5, 0)
	for name, spoil := range map[string]func(*Proof){
		"entry": func(p *Proof) {
			e, _ := entryOf(5)
			e.Sum, e.Name = SumOf(envelope), strings.Repeat("f", 32)
			p.Entry = e.Encode()
		},
		"time":      func(p *Proof) { p.Entry = bytes.Replace(p.Entry, []byte("2026"), []byte("2025"), 1) },
		"index":     func(p *Proof) { p.Index++ },
		"negative":  func(p *Proof) { p.Index = -1 },
		"beyond":    func(p *Proof) { p.Index = 13 },
		"overflow":  func(p *Proof) { p.Index = 1<<63 - 1 },
		"hash":      func(p *Proof) { p.Record[1][7] ^= 1 },
		"one less":  func(p *Proof) { p.Record = p.Record[1:] },
		"one more":  func(p *Proof) { p.Record = append(p.Record, tlog.Hash{}) },
		"very many": func(p *Proof) { p.Record = make(tlog.RecordProof, 1<<16) },
		"none":      func(p *Proof) { p.Record, p.Entry = nil, nil },
	} {
		p := *good
		p.Record, p.Entry = append(tlog.RecordProof(nil), good.Record...), bytes.Clone(good.Entry)
		spoil(&p)
		if _, _, err := w.keys.Check(&p, SumOf(envelope)); !errors.Is(err, ErrUnlogged) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := w.keys.Check(good, SumOf([]byte("another"))); !errors.Is(err, ErrUnlogged) {
		t.Errorf("another envelope: %v", err)
	}
}

// A checkpoint counts by the signatures of the log and of enough witnesses.
func TestWrongKeys(t *testing.T) {
	w := newWorld(t)
	w.grow(2)
	text := Checkpoint{Origin: "quaestor-log/test", Size: 2, Root: must(w.log.tree.Root(2))(t)}.text()
	sign := func(text string, with ...note.Signer) []byte {
		return must(note.Sign(&note.Note{Text: text}, with...))(t)
	}
	other, _ := must2(NewLogKey("quaestor-log/test"))(t)
	otherLog := must(note.NewSigner(other))(t)
	var good []note.Signer
	for _, seed := range w.seeds {
		good = append(good, must(readCosigner(seed, true, at))(t))
	}
	strangerSeed, _ := must2(NewWitnessKey("witness/1"))(t)
	stranger := must(readCosigner(strangerSeed, true, at))(t)
	all := append([]note.Signer{w.log.signer}, good...)
	if s, err := w.keys.Open(sign(text, all...)); err != nil || s.Size != 2 {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		note []byte
		want error
	}{
		"another log's key":        {sign(text, otherLog, good[0], good[1]), ErrUnlogged},
		"witnesses and no log":     {sign(text, good...), ErrUnlogged},
		"one witness":              {sign(text, w.log.signer, good[0]), ErrUnwitnessed},
		"one twice":                {append(sign(text, w.log.signer, good[0]), bytes.SplitAfter(sign(text, good[0]), []byte("\n\n"))[1]...), ErrUnwitnessed},
		"another with its name":    {sign(text, w.log.signer, good[0], stranger), ErrUnwitnessed},
		"signed as a log":          {sign(text, w.log.signer, good[0], logKeyOf(t, w.seeds[1])), ErrUnwitnessed},
		"another origin":           {sign(strings.Replace(text, "test", "tess", 1), all...), ErrUnlogged},
		"an extension":             {sign(text+"more\n", all...), ErrMalformed},
		"size with a sign":         {sign(strings.Replace(text, "\n2\n", "\n+2\n", 1), all...), ErrMalformed},
		"size with a nought":       {sign(strings.Replace(text, "\n2\n", "\n02\n", 1), all...), ErrMalformed},
		"negative size":            {sign(strings.Replace(text, "\n2\n", "\n-2\n", 1), all...), ErrMalformed},
		"huge size":                {sign(strings.Replace(text, "\n2\n", "\n134217729\n", 1), all...), ErrMalformed},
		"size beyond 63 bits":      {sign(strings.Replace(text, "\n2\n", "\n9223372036854775808\n", 1), all...), ErrMalformed},
		"size that wraps to two":   {sign(strings.Replace(text, "\n2\n", "\n18446744073709551618\n", 1), all...), ErrMalformed},
		"another root of nothing":  {sign(strings.Replace(text, "\n2\n", "\n0\n", 1), all...), ErrMalformed},
		"nothing":                  {nil, ErrUnlogged},
		"more than can be allowed": {append(sign(text, all...), make([]byte, MaxCheckpoint)...), ErrMalformed},
	} {
		if _, err := w.keys.Open(c.note); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// logKeyOf makes of a witness's key one of the kind that logs have.
func logKeyOf(t testing.TB, seed string) note.Signer {
	c := must(readCosigner(seed, true, at))(t)
	raw := append([]byte{1}, c.pub...)
	private := base64.StdEncoding.EncodeToString(append([]byte{1}, c.key.Seed()...))
	return must(note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", c.name, keyID(c.name, raw), private)))(t)
}

// One key under two names, or two keys under one, is one witness and no two.
func TestKeysRefuse(t *testing.T) {
	_, log := must2(NewLogKey("l"))(t)
	seed, a := must2(NewWitnessKey("a"))(t)
	_, a2 := must2(NewWitnessKey("a"))(t)
	_, l := must2(NewWitnessKey("l"))(t)
	c := must(readCosigner(seed, true, at))(t)
	raw := append([]byte{algCosignature}, c.pub...)
	again := verifierText("b", keyID("b", raw), raw)
	logRaw := must(base64.StdEncoding.DecodeString(strings.SplitN(log, "+", 3)[2]))(t)
	itself := append([]byte{algCosignature}, logRaw[1:]...)
	for name, list := range map[string][]string{
		"twice": {a, a}, "one name": {a, a2}, "one key": {a, again}, "the log's name": {l}, "a log's key": {log},
		"the log itself": {verifierText("d", keyID("d", itself), itself)},
		"none":           {""}, "number": {verifierText("c", 7, raw)}, "private": {seed}, "too many": make([]string, MaxWitnesses+1),
	} {
		if _, err := ParseKeys(log, list, 0); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{-1, 2} {
		if _, err := ParseKeys(log, []string{a}, n); !errors.Is(err, ErrMalformed) {
			t.Errorf("threshold %d: %v", n, err)
		}
	}
	if _, err := ParseKeys(a, nil, 0); !errors.Is(err, ErrMalformed) {
		t.Errorf("a witness as a log: %v", err)
	}
	for _, name := range []string{"", "a b", "a+b", "a\n", strings.Repeat("a", maxName+1)} {
		if _, _, err := NewWitnessKey(name); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A cosignature is what C2SP tlog-cosignature v1 says, spelt out by hand.
func TestCosignature(t *testing.T) {
	seed, _ := must2(NewWitnessKey("witness.example/w1"))(t)
	c := must(readCosigner(seed, true, func() time.Time { return time.Unix(1679315147, 0) }))(t)
	text := "quaestor-log/x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	sig := must(c.Sign([]byte(text)))(t)
	if len(sig) != 72 || !ed25519.Verify(c.pub, []byte("cosignature/v1\ntime 1679315147\n"+text), sig[8:]) {
		t.Errorf("%x", sig)
	}
	if sig[7]++; c.Verify([]byte(text), sig) {
		t.Error("another time is as good")
	}
	if c.Verify([]byte(text), sig[8:]) {
		t.Error("a signature without a time counts")
	}
	for at, good := range map[uint64]bool{0: true, 1<<63 - 1: true, 1 << 63: false, 1<<64 - 1: false} {
		sig := append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(c.key, cosigned(at, []byte(text)))...)
		if c.Verify([]byte(text), sig) != good {
			t.Errorf("a signature of the time %d counts: %v", at, !good)
		}
	}
}

// A witness who has signed nothing yet signs the checkpoint of a log that has
// nothing yet, and goes on from there.
func TestWitnessOfAnEmptyLog(t *testing.T) {
	w := newWorld(t)
	w.cosigned()
	if n := w.witnesses[0].Last().Size; n != 0 {
		t.Fatalf("%d entries", n)
	}
	w.reopen()
	w.grow(1)
	w.cosigned()
	if n := w.witnesses[0].Last().Size; n != 1 {
		t.Errorf("%d entries", n)
	}
}

// fork gives a log of the same key that goes another way after n entries.
func (w *world) fork(n, size int) *Log {
	l := must(OpenLog(filepath.Join(w.t.TempDir(), "fork"), w.private))(w.t)
	l.hasty = true
	for i := range size {
		if i >= n {
			i += 1000
		}
		must(l.Append(entryOf(i)))(w.t)
	}
	return l
}

// A witness signs one history: no fork, however its proof is made up, and
// nothing that it has outgrown; it remembers that over a restart.
func TestWitnessEquivocation(t *testing.T) {
	w := newWorld(t)
	w.grow(9)
	w.cosigned()
	x := w.witnesses[0]
	again := must(OpenWitness(x.dir, w.seeds[0], w.keys.Log(), at))(t)
	for name, c := range map[string]struct {
		log  *Log
		want error
	}{
		"fork of the same size": {w.fork(4, 9), ErrFork},
		"fork that is longer":   {w.fork(4, 14), ErrFork},
		"rollback":              {w.fork(9, 8), ErrRollback},
		"empty":                 {w.fork(0, 0), ErrRollback},
	} {
		for _, x := range []*Witness{x, again} {
			tree, _ := c.log.Consistency(9, c.log.Size())
			if _, err := x.Cosign(Head{Checkpoint: c.log.Checkpoint(), Tree: tree}); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if x.Last().Size != 9 {
				t.Errorf("%s: it remembers %d", name, x.Last().Size)
			}
		}
	}
	w.grow(1)
	if _, err := again.Cosign(Head{Checkpoint: w.log.Checkpoint()}); !errors.Is(err, ErrFork) {
		t.Errorf("no proof: %v", err)
	}
	tree := must(w.log.Consistency(9, 10))(t)
	must(again.Cosign(Head{Checkpoint: w.log.Checkpoint(), Tree: tree}))(t)
	if _, err := OpenWitness(x.dir, w.seeds[0], must3(NewLogKey("quaestor-log/test"))(t), at); err == nil {
		t.Error("it watches another log with what it saw of this one")
	}
}

// Two processes have the folder of a witness, as they should not: what one of
// them signed the other has seen, too.
func TestWitnessTwice(t *testing.T) {
	w := newWorld(t)
	w.grow(4)
	one := w.witnesses[0]
	two := must(OpenWitness(one.dir, w.seeds[0], w.keys.Log(), at))(t)
	must(one.Cosign(Head{Checkpoint: w.log.Checkpoint()}))(t)
	fork := w.fork(2, 5)
	if b, err := two.Cosign(Head{Checkpoint: fork.Checkpoint()}); b != nil || err != nil || two.Last().Size != 4 {
		t.Errorf("it signed %q, and has seen %d entries: %v", b, two.Last().Size, err)
	}
	if _, err := two.Cosign(Head{Checkpoint: fork.Checkpoint(), Tree: must(fork.Consistency(4, 5))(t)}); !errors.Is(err, ErrFork) {
		t.Errorf("asked again: %v", err)
	}
	w.grow(1)
	must(two.Cosign(Head{Checkpoint: w.log.Checkpoint(), Tree: must(w.log.Consistency(4, 5))(t)}))(t)
}

func must3(_, public string, err error) func(testing.TB) string {
	return func(t testing.TB) string { return must(public, err)(t) }
}

// Logs that share a beginning and then differ never prove one another.
func TestForksNeverFollow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shared := rapid.IntRange(0, 40).Draw(t, "shared")
		a, b := shared+rapid.IntRange(1, 20).Draw(t, "a"), shared+rapid.IntRange(1, 40).Draw(t, "b")
		one, two := treeOf(shared, a, 0), treeOf(shared, b, 1000)
		from := rapid.IntRange(shared+1, a).Draw(t, "from")
		root, _ := one.Root(int64(from))
		next, _ := two.Root(int64(b))
		proof, _ := two.consistency(int64(from), int64(b))
		if Follow(Checkpoint{Size: int64(from), Root: root}, Checkpoint{Size: int64(b), Root: next}, proof) == nil {
			t.Fatal("a fork follows")
		}
		if shared > 0 {
			root, _ := one.Root(int64(shared))
			proof, _ := two.consistency(int64(shared), int64(b))
			if err := Follow(Checkpoint{Size: int64(shared), Root: root}, Checkpoint{Size: int64(b), Root: next}, proof); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func treeOf(shared, size, other int) *Tree {
	t := &Tree{}
	for i := range size {
		if i >= shared {
			i += other
		}
		e, envelope := entryOf(i)
		e.Sum = SumOf(envelope)
		if err := t.Add(e.Encode()); err != nil {
			panic(err)
		}
	}
	return t
}
