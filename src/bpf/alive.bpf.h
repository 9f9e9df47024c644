/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is remembered of the goroutines that are alive.
 *
 * A goroutine is named by its process and the address of its g: g structures are reused, but never while their
 * goroutine lives. Both go into one word, the name, so that a place in a table can be taken by one atomic instruction:
 * a hash map's insertion, lookup and deletion take three times as long as this.
 *
 * The table is cut into buckets of ALIVE_WAYS places. The first one knows how many beside it are taken, so that as a
 * rule one cache line is looked at. A goroutine that finds its bucket full, or that has no name, goes to the map
 * alive_overflow.
 *
 * A name can be there already when its goroutine is created: what is remembered then is of an earlier image of the
 * process (exec), and is overwritten.
 *
 * What is remembered is the includer's matter. Before it includes this it defines
 *
 *   struct alive_life   a place: ALIVE_SIZE bytes that begin with `name` and end with `beside`, both __u64 and ours;
 *   ALIVE_CLEAR         the function, void (struct alive_life *), that empties a place just taken of what an earlier
 *                       goroutine left there: as much of it as is read of a goroutine of which nothing is known yet.
 */
#ifndef __ALIVE_BPF_H
#define __ALIVE_BPF_H

#ifndef ALIVE_CLEAR
#error "alive.bpf.h needs struct alive_life and ALIVE_CLEAR (see its top)"
#endif

#include "go.bpf.h"
#include "alive.h"

struct alive_bucket {
	struct alive_life life[ALIVE_WAYS];
};

_Static_assert(sizeof(struct alive_life) == ALIVE_SIZE, "a cache line; user space relies on it");
_Static_assert(__builtin_offsetof(struct alive_life, name) == 0, "user space looks for it there");
_Static_assert(__builtin_offsetof(struct alive_life, beside) == ALIVE_SIZE - 8, "behind what the includer keeps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16); /* set by user space, a power of two; so is alive_shift */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct alive_bucket);
} alive_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 15); /* set by user space */
	__type(key, struct alive_key);
	__type(value, struct alive_life);
} alive_overflow SEC(".maps");

/* 64 - log2(buckets). */
const volatile __u32 alive_shift = 48;

/*
 * Places taken in alive_overflow: while it is empty, nobody looks there. It goes up before the goroutine can run, so
 * whoever looks for that one sees it; it can be too high when user space takes away what ended with its process, which
 * costs a look.
 */
volatile __u64 alive_overflowed = 0;

/* 0 for what has no name. Addresses of g are multiples of 32 (the least alignment of its size classes). */
static __always_inline __u64 alive_name(__u64 process, __u64 g)
{
	if ((g & 31) || g >> ALIVE_ADDRESS_BITS || process >> ALIVE_PROCESS_BITS)
		return 0;
	return process << (ALIVE_ADDRESS_BITS - 5) | g >> 5;
}

/*
 * Goroutines whose g lie in one page of Go's heap (8 KiB, 18 of them) go to neighbouring buckets: scattered all over
 * the table each would need an entry of the processor's TLB of its own, and fetching that takes longer than all else
 * here. Where the neighbours begin is hashed: multiplication by 2^64 / the golden ratio spreads what lies close
 * together (Knuth, The Art of Computer Programming 6.4). A g has more than 256 bytes, so no two of a page share a
 * bucket.
 */
#define ALIVE_PAGE_BITS (13 - 5) /* of a name */
#define ALIVE_IN_PAGE(name) ((name) >> (8 - 5) & (ALIVE_LEAST_BUCKETS - 1))

static __always_inline struct alive_bucket *alive_bucket(__u64 name)
{
	__u32 index = ((name >> ALIVE_PAGE_BITS) * 0x9e3779b97f4a7c15ULL >> alive_shift) ^ ALIVE_IN_PAGE(name);

	return name ? bpf_map_lookup_elem(&alive_table, &index) : 0;
}

/* Where a goroutine is remembered beside the first place of its bucket. */
static __always_inline struct alive_life *alive_beside(struct alive_bucket *bucket, __u64 name)
{
	if (!bucket->life[0].beside)
		return 0;
	if (bucket->life[1].name == name)
		return &bucket->life[1];
	if (bucket->life[2].name == name)
		return &bucket->life[2];
	if (bucket->life[3].name == name)
		return &bucket->life[3];
	return 0;
}

static __always_inline struct alive_life *alive_in(struct alive_bucket *bucket, __u64 name)
{
	return bucket->life[0].name == name ? &bucket->life[0] : alive_beside(bucket, name);
}

/* Takes a place that is free. */
static __always_inline int alive_take(struct alive_life *life, __u64 name)
{
	if (life->name || __sync_val_compare_and_swap(&life->name, 0, name))
		return 0;
	ALIVE_CLEAR(life);
	return 1;
}

/* The same, of a place beside the first. It is counted before it is taken: a number too high costs a look. */
static __always_inline int alive_take_beside(struct alive_bucket *bucket, __u32 way, __u64 name)
{
	if (bucket->life[way].name)
		return 0;
	__sync_fetch_and_add(&bucket->life[0].beside, 1);
	if (alive_take(&bucket->life[way], name))
		return 1;
	__sync_fetch_and_add(&bucket->life[0].beside, -1);
	return 0;
}

/*
 * What is remembered of a goroutine; 0 if nothing is. Nobody else makes or forgets this goroutine meanwhile; others may
 * do so with their own in the same bucket, which changes no name that is looked for here.
 */
static __always_inline struct alive_life *alive_find(__u64 process, __u64 g)
{
	struct alive_key key = { .g = g, .process = process };
	__u64 name = alive_name(process, g);
	struct alive_bucket *bucket = alive_bucket(name);
	struct alive_life *life = bucket ? alive_in(bucket, name) : 0;

	if (!life && alive_overflowed)
		life = bpf_map_lookup_elem(&alive_overflow, &key);
	return life;
}

/*
 * The place of a goroutine in its bucket: where it is remembered already, or else the first one with nothing known; 0
 * if that is not free. It is taken without looking first, and given back if the goroutine is found beside (user space
 * may see it twice in between): what another processor wrote last would have to be fetched twice, to be read and to be
 * written.
 */
static __always_inline struct alive_life *alive_place_in(struct alive_bucket *bucket, __u64 name)
{
	__u64 before = __sync_val_compare_and_swap(&bucket->life[0].name, 0, name);
	struct alive_life *life;

	if (before == name)
		return &bucket->life[0];
	life = alive_beside(bucket, name);
	if (!before && !life) {
		ALIVE_CLEAR(&bucket->life[0]);
		return &bucket->life[0];
	}
	if (!before)
		*(volatile __u64 *)&bucket->life[0].name = 0;
	return life;
}

/*
 * The place of a goroutine: where it is remembered already, or else a new one with nothing known; 0 if there is no
 * room.
 */
static __always_inline struct alive_life *alive_place(__u64 process, __u64 g)
{
	struct alive_key key = { .g = g, .process = process };
	__u64 name = alive_name(process, g);
	struct alive_bucket *bucket = alive_bucket(name);
	struct alive_life *life, none = {};

	if (alive_overflowed) {
		life = bpf_map_lookup_elem(&alive_overflow, &key);
		if (life)
			return life;
	}
	if (bucket) {
		life = alive_place_in(bucket, name);
		if (life)
			return life;
		if (alive_take_beside(bucket, 1, name))
			return &bucket->life[1];
		if (alive_take_beside(bucket, 2, name))
			return &bucket->life[2];
		if (alive_take_beside(bucket, 3, name))
			return &bucket->life[3];
	}
	if (bpf_map_update_elem(&alive_overflow, &key, &none, BPF_NOEXIST))
		return 0;
	__sync_fetch_and_add(&alive_overflowed, 1);
	return bpf_map_lookup_elem(&alive_overflow, &key);
}

/*
 * Forgets a goroutine; `life` is its place, and is not to be used any more. With the name 0 it is free to whoever comes
 * first, who clears it after taking it. `beside` goes down after that: whoever looks in between looks at one place too
 * many.
 */
static __always_inline void alive_forget(__u64 process, __u64 g, struct alive_life *life)
{
	struct alive_key key = { .g = g, .process = process };
	struct alive_bucket *bucket;
	__u64 name = life->name;

	if (name) {
		*(volatile __u64 *)&life->name = 0;
		bucket = alive_bucket(name);
		if (bucket && life != &bucket->life[0])
			__sync_fetch_and_add(&bucket->life[0].beside, -1);
	} else if (!bpf_map_delete_elem(&alive_overflow, &key))
		__sync_fetch_and_add(&alive_overflowed, -1);
}

#endif
