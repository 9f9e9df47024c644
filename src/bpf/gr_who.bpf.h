/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who a goroutine is, by its g, and on which P it runs. */
#ifndef __GR_WHO_BPF_H
#define __GR_WHO_BPF_H

#include "gr_maps.bpf.h"

static __always_inline __u64 word_at(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

/* The id of the P at this address. */
static __always_inline __u16 p_id(__u64 p)
{
	__s32 id;

	if (bpf_probe_read_user(&id, sizeof(id), (void *)(p + gr_cfg.p_id)))
		return GR_NO_P;
	return id;
}

/*
 * The P of the thread that runs g: g.m.p.id. It is this thread, so none of them changes meanwhile. Where it has no P,
 * m.p is 0, and what is then looked for is at an address that cannot be read.
 */
static __always_inline __u16 p_of(__u64 g)
{
	__u64 m, p;

	if (bpf_probe_read_user(&m, sizeof(m), (void *)(g + gr_cfg.g_m)) ||
	    bpf_probe_read_user(&p, sizeof(p), (void *)(m + gr_cfg.m_p)))
		return GR_NO_P;
	return p_id(p);
}

/*
 * Fills in who the goroutine g is. In Go 1.19 to 1.27 gopc, ancestors and startpc are neighbours in g, and so is
 * parentGoid before them since 1.21 (runtime/runtime2.go): one read for all. Where the layout of a binary is another,
 * user space does not say origin_known.
 */
static __always_inline int describe(struct gr_event *e, __u64 g, const struct go_site *site)
{
	__u64 origin[4]; /* parentGoid, gopc, ancestors, startpc */

	if (bpf_probe_read_user(&e->goid, sizeof(e->goid), (void *)(g + gr_cfg.g_goid)))
		return -1;
	e->start_pc = 0;
	e->created_pc = 0;
	e->of.creator = 0;
	if (!gr_cfg.origin_known)
		return 0;
	if (bpf_probe_read_user(origin, sizeof(origin), (void *)(g + gr_cfg.g_origin)))
		return -1;
	if (gr_cfg.has_parent)
		e->of.creator = origin[0];
	e->created_pc = origin[1] - site->bias;
	e->start_pc = origin[3] - site->bias;
	return 0;
}

/*
 * Before Go 1.21 g has no parentGoid: the creator is the user goroutine of the thread that runs newproc, which has
 * switched to g0 for it (systemstack). It waits for that, so it cannot go meanwhile. 0 for the main goroutine, which
 * the bootstrap makes.
 */
static __always_inline __u64 current_goid(__u64 g0)
{
	__u64 m = word_at(g0 + gr_cfg.g_m);
	__u64 curg = m ? word_at(m + gr_cfg.m_curg) : 0;

	return curg ? word_at(curg + gr_cfg.g_goid) : 0;
}

#endif
