#include "textflag.h"

// func pairAVX2(p *byte, n, d int, c1, m1, c2, m2 byte) int
//
// Returns the first i in [0, n) with p[i]|m1 == c1 and p[i+d]|m2 == c2, or n.
// n must be at least 32.
TEXT ·pairAVX2(SB), NOSPLIT, $0-40
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ d+16(FP), DX
	VPBROADCASTB c1+24(FP), Y0
	VPBROADCASTB m1+25(FP), Y1
	VPBROADCASTB c2+26(FP), Y2
	VPBROADCASTB m2+27(FP), Y3
	MOVQ SI, AX
	ADDQ SI, DX

loop128:
	CMPQ CX, $128
	JLT  loop32
	VPOR     (SI), Y1, Y4
	VPOR     (DX), Y3, Y5
	VPCMPEQB Y0, Y4, Y4
	VPCMPEQB Y2, Y5, Y5
	VPAND    Y5, Y4, Y4
	VPOR     32(SI), Y1, Y6
	VPOR     32(DX), Y3, Y7
	VPCMPEQB Y0, Y6, Y6
	VPCMPEQB Y2, Y7, Y7
	VPAND    Y7, Y6, Y6
	VPOR     64(SI), Y1, Y8
	VPOR     64(DX), Y3, Y9
	VPCMPEQB Y0, Y8, Y8
	VPCMPEQB Y2, Y9, Y9
	VPAND    Y9, Y8, Y8
	VPOR     96(SI), Y1, Y10
	VPOR     96(DX), Y3, Y11
	VPCMPEQB Y0, Y10, Y10
	VPCMPEQB Y2, Y11, Y11
	VPAND    Y11, Y10, Y10
	VPOR     Y4, Y6, Y12
	VPOR     Y8, Y10, Y13
	VPOR     Y12, Y13, Y12
	VPMOVMSKB Y12, R8
	TESTL    R8, R8
	JNZ      hit128
	ADDQ     $128, SI
	ADDQ     $128, DX
	SUBQ     $128, CX
	JMP      loop128

hit128:
	VPMOVMSKB Y4, R8
	VPMOVMSKB Y6, R9
	SHLQ     $32, R9
	ORQ      R9, R8
	JNZ      hit
	ADDQ     $64, SI
	VPMOVMSKB Y8, R8
	VPMOVMSKB Y10, R9
	SHLQ     $32, R9
	ORQ      R9, R8

hit:
	BSFQ R8, R8
	SUBQ AX, SI
	ADDQ R8, SI
	MOVQ SI, ret+32(FP)
	VZEROUPPER
	RET

loop32:
	CMPQ CX, $32
	JLT  tail
	VPOR     (SI), Y1, Y4
	VPOR     (DX), Y3, Y5
	VPCMPEQB Y0, Y4, Y4
	VPCMPEQB Y2, Y5, Y5
	VPAND    Y5, Y4, Y4
	VPMOVMSKB Y4, R8
	TESTL    R8, R8
	JNZ      hit
	ADDQ     $32, SI
	ADDQ     $32, DX
	SUBQ     $32, CX
	JMP      loop32

tail:
	// The last few positions: step back so that one whole vector ends at
	// the last of them; those seen twice are known not to match.
	TESTQ CX, CX
	JZ    none
	LEAQ  -32(CX), R10
	ADDQ  R10, SI
	ADDQ  R10, DX
	MOVQ  $32, CX
	JMP   loop32

none:
	MOVQ n+8(FP), SI
	MOVQ SI, ret+32(FP)
	VZEROUPPER
	RET
