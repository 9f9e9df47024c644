//go:build go1.21

#include "textflag.h"

// func bottom() uintptr
//
// As in bottom_amd64.s; arm64 keeps the same pair (caller's frame, return
// address) behind its frame pointer. Before Go 1.21 see bottom_unwound.go.
TEXT ·bottom(SB), NOSPLIT, $0-8
	MOVD R29, R0
	MOVD $0, R1
next:
	MOVD 8(R0), R2
	MOVD (R0), R0
	CBZ R0, found
	MOVD R2, R1
	B next
found:
	MOVD R1, ret+0(FP)
	RET
