// Package value is the ground floor of Quaestor: the typed values that travel in rows, literals and sets, and
// all that is asked of them. It imports nothing of the project.
//
// A newcomer needs Value, made by NewText and its like, and Compare. CompileGlob is for paths. Three-valued logic is
// in Truth. Do not compare values with ==, do not use AppendKey as a format for disk or network, and do not keep a
// value past its row without Clone.
//
// # Wire form
//
// AppendBinary and DecodeBinary speak it. A value is one byte of Type, then:
//
//	null                   nothing
//	text bytes hash        uvarint length, that many bytes
//	int size duration      varint (zigzag)
//	float                  8 bytes, IEEE 754, most significant first; the only NaN is 7ff8000000000001
//	bool                   1 byte, 0 or 1
//	time                   varint seconds since 1970 within the years 1 to 9999, uvarint nanoseconds below 10^9
//	ip                     4 and 4 bytes; or 16, 16 bytes, uvarint length and text of the zone (at most 64)
//	cidr                   4 and 4 bytes, or 16 and 16 bytes; then 1 byte length of the prefix
//	version                1 byte Scheme, uvarint length, text
//	mode                   uvarint below 2^32
//	list                   uvarint count, the values; lists nest at most 8 deep
//
// uvarint and varint are those of encoding/binary, in their shortest form. An IPv4-mapped address has no zone.
// Each value has exactly one encoding, and DecodeBinary refuses every other. The list [null, 10MB, "a"] is
//
//	0e 03  00  06 80dac409  01 01 61
package value
