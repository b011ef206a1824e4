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
	size, count := int(order.Uint16(head[42:])), int(order.Uint16(head[44:]))
	least := 32
	if wide {
		size, count, least = int(order.Uint16(head[54:])), int(order.Uint16(head[56:])), 56
	}
	if size < least || order.Uint16(head[16:]) == 1 || entry == 0 {
		return 0, false, nil
	}
	for i := range min(count, 1024) {
		p, err := d.Slice(table+int64(i*size), least)
		if err != nil || len(p) < least {
			return 0, false, err
		}
		off, virtual, length := number(p, 4, 8), number(p, 8, 16), number(p, 20, 40)
		if entry >= virtual && entry-virtual < length {
			return entry - virtual + off, true, nil
		}
	}
	return 0, false, nil
}
