package library

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/crc32"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
)

// content is what functions over ranges look at, with what they have found.
type content struct {
	data   *yara.Data
	err    error
	sums   map[part]yara.Value
	counts map[part]*histogram
}

// part is a range of the content, and what was asked of it.
type part struct {
	what    string
	at, end int64
}

func newContent(d *yara.Data) *content {
	return &content{data: d, sums: map[part]yara.Value{}, counts: map[part]*histogram{}}
}

// Err is the first failure to read the content.
func (c *content) Err() error { return c.err }

// blocks calls yield with the parts of a range, as far as the content has it.
// It reports false where the range begins outside, or has a gap.
func (c *content) blocks(at, size int64, yield func([]byte)) bool {
	if at < 0 || size < 0 {
		return false
	}
	if total, known := c.data.Size(); known && at >= total {
		return false
	}
	var read int64
	err := c.data.Blocks(at, size, func(b []byte) bool {
		read += int64(len(b))
		yield(b)
		return true
	})
	if err != nil && c.err == nil {
		c.err = err
	}
	return err == nil && (read > 0 || size == 0)
}

func hashModule() *yara.Module {
	digest := func(name string, make func() hash.Hash) field.Field[*content] {
		return overBytes(yara.String, name, func() (func([]byte), func() yara.Value) {
			h := make()
			return func(b []byte) { h.Write(b) }, func() yara.Value { return yara.Text(hex.EncodeToString(h.Sum(nil))) }
		})
	}
	return module("hash", field.Table[*content]{
		"md5":    digest("md5", md5.New),
		"sha1":   digest("sha1", sha1.New),
		"sha256": digest("sha256", sha256.New),
		"crc32": overBytes(yara.Int, "crc32", func() (func([]byte), func() yara.Value) {
			h := crc32.NewIEEE()
			return func(b []byte) { h.Write(b) }, func() yara.Value { return yara.Integer(int64(h.Sum32())) }
		}),
		"checksum32": overBytes(yara.Int, "checksum32", func() (func([]byte), func() yara.Value) {
			var sum uint32
			return func(b []byte) {
				for _, c := range b {
					sum += uint32(c)
				}
			}, func() yara.Value { return yara.Integer(int64(sum)) }
		}),
	}, newContent)
}

// overBytes is a function of a range, which is remembered, or of a text.
func overBytes(result yara.Kind, name string, start func() (write func([]byte), sum func() yara.Value)) field.Field[*content] {
	return field.Func(
		field.Call[*content]{Args: field.Args(yara.Int, yara.Int), Result: result, Do: func(c *content, a []yara.Value) yara.Value {
			key := part{name, a[0].Int(), a[1].Int()}
			if v, ok := c.sums[key]; ok {
				return v
			}
			write, sum := start()
			v := yara.Undefined()
			if c.blocks(a[0].Int(), a[1].Int(), write) {
				v = sum()
			}
			c.sums[key] = v
			return v
		}},
		field.Call[*content]{Args: field.Args(yara.String), Result: result, Do: func(_ *content, a []yara.Value) yara.Value {
			write, sum := start()
			write([]byte(a[0].Text()))
			return sum()
		}},
	)
}
