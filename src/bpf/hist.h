/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A histogram of durations, shared by the programs and by user space.
 *
 * The unit is 1/16 µs (62.5 ns). Octaves of that unit are octaves of microseconds, so the slots fold into the
 * powers of two that are drawn; each octave is cut into 8 slots, so a quantile read from them is at most 12.5 %
 * above the true value. Slots 0..7 hold 0..7 units exactly; octave o (2^o units and more) begins at (o - 2) * 8.
 */
#ifndef __HIST_H
#define __HIST_H

#define HIST_OCTAVES 44 /* 2^44 units are 12 days; longer durations fall into the last slot */
#define HIST_SLOTS ((HIST_OCTAVES - 2) * 8)

struct hist {
	__u64 sum_ns;
	__u64 max_ns;
	__u64 slots[HIST_SLOTS];
};

#endif
