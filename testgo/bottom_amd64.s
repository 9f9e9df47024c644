#include "textflag.h"

// func bottom() uintptr
//
// Follows the frame pointers down to the first frame of the goroutine and
// returns an address inside the function that runs in it. runtime.goexit, the
// return address of that frame, does not count.
TEXT ·bottom(SB), NOSPLIT, $0-8
	MOVQ BP, AX
	XORQ CX, CX
next:
	MOVQ 8(AX), DX // return address of this frame
	MOVQ (AX), AX  // frame of its caller
	TESTQ AX, AX   // a goroutine begins with frame pointer 0
	JZ found
	MOVQ DX, CX
	JMP next
found:
	MOVQ CX, ret+0(FP)
	RET
