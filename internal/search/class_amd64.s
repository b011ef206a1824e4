#include "textflag.h"

// bits holds 1<<i at i, and nothing for what is not ASCII.
DATA bits<>+0(SB)/8, $0x8040201008040201
DATA bits<>+8(SB)/8, $0
GLOBL bits<>(SB), RODATA|NOPTR, $16

DATA nibble<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibble<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibble<>(SB), RODATA|NOPTR, $16

// CLASS leaves in V, bytes of the content, zero where the byte is not of the
// class whose table is LOW. A shuffle gives zero for a byte beyond ASCII.
#define CLASS(LOW, V, T) \
	VPSHUFB V, LOW, T   \
	VPSRLW  $4, V, V    \
	VPAND   Y13, V, V   \
	VPSHUFB V, Y12, V   \
	VPAND   T, V, V

// func classAVX2(p *byte, n int, t *classTest, count int) int
//
// Returns the first i in [0, n) where p[i+t.at] is of the class of each of the
// count tests t, or n. n must be at least 64 and count at least 2. A test is
// 24 bytes: the place, then the table.
TEXT ·classAVX2(SB), NOSPLIT, $0-40
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ t+16(FP), DI
	MOVQ count+24(FP), BX
	SUBQ $2, BX
	MOVQ SI, AX
	VBROADCASTI128 bits<>(SB), Y12
	VBROADCASTI128 nibble<>(SB), Y13
	VPXOR Y14, Y14, Y14
	MOVQ (DI), R8
	VBROADCASTI128 8(DI), Y0
	MOVQ 24(DI), R9
	VBROADCASTI128 32(DI), Y1
	ADDQ $48, DI

loop:
	CMPQ CX, $64
	JLT  tail
	VMOVDQU (SI)(R8*1), Y4
	VMOVDQU 32(SI)(R8*1), Y5
	VMOVDQU (SI)(R9*1), Y6
	VMOVDQU 32(SI)(R9*1), Y7
	CLASS(Y0, Y4, Y8)
	CLASS(Y0, Y5, Y9)
	CLASS(Y1, Y6, Y10)
	CLASS(Y1, Y7, Y11)
	// The lesser of two is zero where either is.
	VPMINUB Y6, Y4, Y4
	VPMINUB Y7, Y5, Y5
	VPOR    Y4, Y5, Y8
	VPTEST  Y8, Y8
	JNZ     more

next:
	ADDQ $64, SI
	SUBQ $64, CX
	JMP  loop

more:
	MOVQ BX, R11
	MOVQ DI, R12

test:
	TESTQ R11, R11
	JZ    hit
	MOVQ (R12), R13
	VBROADCASTI128 8(R12), Y2
	VMOVDQU (SI)(R13*1), Y6
	VMOVDQU 32(SI)(R13*1), Y7
	CLASS(Y2, Y6, Y8)
	CLASS(Y2, Y7, Y9)
	VPMINUB Y6, Y4, Y4
	VPMINUB Y7, Y5, Y5
	ADDQ    $24, R12
	DECQ    R11
	VPOR    Y4, Y5, Y8
	VPTEST  Y8, Y8
	JNZ     test
	JMP     next

hit:
	VPCMPEQB Y14, Y4, Y4
	VPCMPEQB Y14, Y5, Y5
	VPMOVMSKB Y4, R8
	VPMOVMSKB Y5, R9
	SHLQ $32, R9
	ORQ  R9, R8
	NOTQ R8
	BSFQ R8, R8
	SUBQ AX, SI
	ADDQ R8, SI
	MOVQ SI, ret+32(FP)
	VZEROUPPER
	RET

tail:
	// The last few positions: step back so that one whole block ends at the
	// last of them; those seen twice are known not to match.
	TESTQ CX, CX
	JZ    none
	LEAQ  -64(SI)(CX*1), SI
	MOVQ  $64, CX
	JMP   loop

none:
	MOVQ n+8(FP), SI
	MOVQ SI, ret+32(FP)
	VZEROUPPER
	RET
