// SPDX-License-Identifier: GPL-2.0

#include <linux/blk-cgroup.h>
#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

void rust_helper_kthread_associate_blkcg(struct cgroup_subsys_state *css)
{
	kthread_associate_blkcg(css);
}

void rust_helper_css_put(struct cgroup_subsys_state *css)
{
	css_put(css);
}

struct mem_cgroup *
rust_helper_mem_cgroup_from_css(struct cgroup_subsys_state *css)
{
	return mem_cgroup_from_css(css);
}

struct mem_cgroup *rust_helper_set_active_memcg(struct mem_cgroup *memcg)
{
	return set_active_memcg(memcg);
}
