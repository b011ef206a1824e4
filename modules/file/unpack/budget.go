package unpack

import "fmt"

// The defaults of NewBudget.
const (
	defaultMaxBytes   = 1 << 30   // more than any file of logs or classes that is worth a search on a live host
	defaultMaxRatio   = 1000      // deflate cannot pass 1032; only what is made to be a bomb, or empty, comes near
	defaultRatioFree  = 10 << 20  // a megabyte of zeros is no attack
	defaultMaxMembers = 100_000   // the largest jars have some 60,000
	defaultMaxDepth   = 5         // jar in war in ear in tar in gzip
	defaultMaxMemory  = 32 << 20  // zstd -19 wants 8 MiB, xz -8 32 MiB
	defaultMaxBuffer  = 16 << 20  // of a zip inside a stream, which must be kept to be read
	bzip2Memory       = 4_000_000 // four bytes for each of the 900,000 of its largest block, and tables
)

// A Budget bounds what the unpacking of one outer file may cost, everything
// nested in it included. It must not be used by two goroutines at once. The
// bounds may be changed before first use; make it with NewBudget.
type Budget struct {
	MaxBytes   int64 // uncompressed bytes in all, each layer counted
	MaxRatio   int64 // uncompressed bytes for each compressed one, beyond RatioFree
	RatioFree  int64 // uncompressed bytes of a stream for which MaxRatio is not asked
	MaxMembers int   // members in all
	MaxDepth   int   // layers of archives and compression; a tar.gz has two
	MaxMemory  int64 // bytes of decoders' windows and of buffers, held at one time
	MaxBuffer  int64 // bytes of one archive that has to be kept in memory to be read

	bytes   int64
	memory  int64
	members int
	spent   error // MaxBytes or MaxMembers: nothing more may be read
}

// NewBudget makes a budget with the default bounds: 1 GiB, 1000:1 beyond
// 10 MiB, 100,000 members, 5 layers, 32 MiB of memory and 16 MiB of one buffer.
func NewBudget() *Budget {
	return &Budget{
		MaxBytes:   defaultMaxBytes,
		MaxRatio:   defaultMaxRatio,
		RatioFree:  defaultRatioFree,
		MaxMembers: defaultMaxMembers,
		MaxDepth:   defaultMaxDepth,
		MaxMemory:  defaultMaxMemory,
		MaxBuffer:  defaultMaxBuffer,
	}
}

// room says how many further bytes may be uncompressed, and one more so that
// the excess is seen.
func (b *Budget) room() int64 { return b.MaxBytes - b.bytes + 1 }

// charge counts n uncompressed bytes of a stream that has so far made out
// bytes of in.
func (b *Budget) charge(n, in, out int64) error {
	if b.spent != nil {
		return b.spent
	}
	if b.bytes += n; b.bytes > b.MaxBytes {
		b.spent = fmt.Errorf("%w: MaxBytes, %d uncompressed bytes", ErrBudget, b.MaxBytes)
		return b.spent
	}
	if out > b.RatioFree && out/b.MaxRatio > in {
		return fmt.Errorf("%w: MaxRatio, %d bytes from each one", ErrBudget, b.MaxRatio)
	}
	return nil
}

// member counts one member.
func (b *Budget) member() error {
	if b.spent != nil {
		return b.spent
	}
	if b.members++; b.members > b.MaxMembers {
		b.spent = fmt.Errorf("%w: MaxMembers, %d members", ErrBudget, b.MaxMembers)
	}
	return b.spent
}

// depth says whether a layer at that depth, from 1, may be opened.
func (b *Budget) depth(d int) error {
	if d > b.MaxDepth {
		return fmt.Errorf("%w: MaxDepth, %d layers", ErrBudget, b.MaxDepth)
	}
	return nil
}

// hold takes n bytes of memory, which release gives back.
func (b *Budget) hold(n int64) error {
	if n > b.MaxMemory-b.memory {
		return fmt.Errorf("%w: MaxMemory, %d bytes at one time; %d more wanted", ErrBudget, b.MaxMemory, n)
	}
	b.memory += n
	return nil
}

func (b *Budget) release(n int64) { b.memory -= n }
