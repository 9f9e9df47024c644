#include "_cgo_export.h"

// Spins, and then calls Go, which says when it is enough.
void grtmon_spin(int turns)
{
	static volatile unsigned long sink;
	int i;

	do {
		for (i = 0; i < turns; i++)
			sink += i;
	} while (grtmonBack());
}
