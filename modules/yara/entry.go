package yara

import "encoding/binary"

// entryPoint gives the offset at which a program begins to run: of a PE or an
// ELF that is a file. Of anything else there is none.
func entryPoint(d *Data) (off int64, ok bool, err error) {
	if d.Process() {
		return 0, false, nil
	}
	head, err := d.Slice(0, 64)
	if err != nil || len(head) < 64 {
		return 0, false, err
	}
	switch {
	case head[0] == 'M' && head[1] == 'Z':
		return entryPE(d, int64(binary.LittleEndian.Uint32(head[60:])))
	case string(head[:4]) == "\x7fELF":
		return entryELF(d, [64]byte(head))
	}
	return 0, false, nil
}

// entryPE reads the entry point of the PE whose header stands at an offset.
func entryPE(d *Data, at int64) (int64, bool, error) {
	b, err := d.Slice(at, 44)
	if err != nil || len(b) < 44 || string(b[:4]) != "PE\x00\x00" {
		return 0, false, err
	}
	sections := int(binary.LittleEndian.Uint16(b[6:]))
	table := at + 24 + int64(binary.LittleEndian.Uint16(b[20:]))
	entry := int64(binary.LittleEndian.Uint32(b[40:]))
	const size = 40 // bytes of an entry of the section table
	for i := range int64(min(sections, 96)) {
		s, err := d.Slice(table+size*i, size)
		if err != nil || len(s) < size {
			return 0, false, err
		}
		virtual, raw := int64(binary.LittleEndian.Uint32(s[12:])), int64(binary.LittleEndian.Uint32(s[20:]))
		length := int64(max(binary.LittleEndian.Uint32(s[8:]), binary.LittleEndian.Uint32(s[16:])))
		if entry >= virtual && entry < virtual+length {
			return entry - virtual + raw, true, nil
		}
	}
	return entry, true, nil
}

// entryELF reads the entry point of an ELF.
func entryELF(d *Data, head [64]byte) (int64, bool, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	wide := head[4] == 2
	number := func(b []byte, narrow, broad int) int64 {
		if wide {
			return int64(order.Uint64(b[broad:]))
		}
		return int64(order.Uint32(b[narrow:]))
	}
	entry, table := number(head[:], 24, 24), number(head[:], 28, 32)
	t := tableELF{at: table, size: int(order.Uint16(head[42:])), count: int(order.Uint16(head[44:])), least: 32}
	if wide {
		t.size, t.count, t.least = int(order.Uint16(head[54:])), int(order.Uint16(head[56:])), 56
	}
	place := func(p []byte) (off, virtual, length int64) {
		return number(p, 4, 8), number(p, 8, 16), number(p, 16, 32)
	}
	const executable = 2 // of anything else yara asks the sections, not the segments
	if order.Uint16(head[16:]) != executable {
		t = tableELF{at: number(head[:], 32, 40), size: int(order.Uint16(head[46:])), count: int(order.Uint16(head[48:])), least: 40}
		if wide {
			t.size, t.count, t.least = int(order.Uint16(head[58:])), int(order.Uint16(head[60:])), 64
		}
		place = func(p []byte) (off, virtual, length int64) {
			if kind := order.Uint32(p[4:]); kind == 0 || kind == 8 {
				return 0, 0, 0 // nothing, or nothing in the file
			}
			return number(p, 16, 24), number(p, 12, 16), number(p, 20, 32)
		}
	}
	return t.find(d, entry, place)
}

// tableELF is where a table of segments or of sections stands.
type tableELF struct {
	at                 int64
	size, count, least int // of an entry; entries; bytes of an entry that are read
}

// find gives the offset of an address.
func (t *tableELF) find(d *Data, address int64, place func([]byte) (off, virtual, length int64)) (int64, bool, error) {
	const most = 4096 // entries that are looked at
	if t.size < t.least {
		return 0, false, nil
	}
	for i := range min(t.count, most) {
		p, err := d.Slice(t.at+int64(i*t.size), t.least)
		if err != nil || len(p) < t.least {
			return 0, false, err
		}
		if off, virtual, length := place(p); address >= virtual && address-virtual < length {
			return address - virtual + off, true, nil
		}
	}
	return 0, false, nil
}
