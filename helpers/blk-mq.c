// SPDX-License-Identifier: GPL-2.0

#include <linux/blk-cgroup.h>
#include <linux/blk-mq.h>
#include <linux/bvec.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/version.h>
#include <asm/barrier.h>

/* Depth of nested completions on each CPU. */
static DEFINE_PER_CPU(int, completions);

/*
 * Returns false, and does nothing, if more than @max completions would be nested
 * on one stack. Disables migration to keep a task on its CPU, not preemption,
 * because a bio's end_io may sleep if in_task() is true.
 */
bool rust_helper_complete_request_nested(struct request *rq, int max)
{
	bool task = in_task();
	bool fits;

	/* Fault injection drops this completion. */
	if (unlikely(blk_should_fake_timeout(rq->q)))
		return true;
	if (task)
		migrate_disable();
	fits = this_cpu_inc_return(completions) <= max;
	if (fits)
		blk_mq_complete_request(rq);
	this_cpu_dec(completions);
	if (task)
		migrate_enable();
	return fits;
}

/*
 * Full barrier: others see that @rq is started before this CPU reads on. Pairs
 * with DiskGuard::take_config, and with the release that ends a freeze.
 */
void rust_helper_start_request_mb(struct request *rq)
{
	blk_mq_start_request(rq);
	smp_mb();
}

void rust_helper_full_barrier(void)
{
	smp_mb();
}

bool rust_helper_blk_queue_dying(struct request_queue *q)
{
	return blk_queue_dying(q);
}

/*
 * How many tags the hardware queues of @q share, or the first one has. The user
 * can have them use fewer (queue/nr_requests); with a scheduler nr_requests is
 * the number of its requests, and the tags stay as few as they were before. The
 * caller keeps @q in use, so that neither changes.
 */
unsigned int rust_helper_blk_mq_queue_tags(struct request_queue *q)
{
	struct blk_mq_tag_set *set = q->tag_set;
	struct blk_mq_tags *tags = set->shared_tags ?: set->tags[0];

	return min_t(unsigned int, q->nr_requests, tags->bitmap_tags.sb.depth);
}

u16 rust_helper_req_get_ioprio(struct request *rq)
{
	return req_get_ioprio(rq);
}

unsigned int rust_helper_blk_rq_nr_bvec(struct request *rq)
{
	return blk_rq_nr_bvec(rq);
}

/* @bvecs has room for blk_rq_nr_bvec() entries. */
void rust_helper_copy_rq_bvecs(struct request *rq, struct bio_vec *bvecs)
{
	struct req_iterator iter;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, iter)
		*bvecs++ = bv;
}

/*
 * The segments of the rest of @bio. Returns the first one, and sets their number
 * and the offset of the rest in the first one, in bytes.
 */
const struct bio_vec *rust_helper_bio_bvecs(struct bio *bio, unsigned int *nr,
					    unsigned int *offset)
{
	const struct bio_vec *first = __bvec_iter_bvec(bio->bi_io_vec,
						       bio->bi_iter);
	struct bvec_iter iter;
	struct bio_vec bv;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	*offset = bio->bi_iter.bi_offset;
#else
	*offset = bio->bi_iter.bi_bvec_done;
#endif
	*nr = 1;
	/* Most bios have a single segment. */
	if (first->bv_len - *offset >= bio->bi_iter.bi_size)
		return first;
	*nr = 0;
	bio_for_each_bvec(bv, bio, iter)
		++*nr;
	return first;
}

void rust_helper_zero_fill_request(struct request *rq)
{
	struct bio *bio;

	__rq_for_each_bio(bio, rq)
		zero_fill_bio(bio);
}

bool rust_helper_request_has_whole_blocks(struct request *rq,
					  unsigned int len_mask,
					  unsigned int addr_mask)
{
	const struct bio *bio = rq->bio;
	struct req_iterator iter;
	struct bio_vec bv;

	if (!bio)
		return true;
	/* Most requests have one segment. */
	bv = mp_bvec_iter_bvec(bio->bi_io_vec, bio->bi_iter);
	if (!bio->bi_next && bv.bv_len == bio->bi_iter.bi_size)
		return !((bv.bv_len & len_mask) || (bv.bv_offset & addr_mask));

	rq_for_each_bvec(bv, rq, iter)
		if ((bv.bv_len & len_mask) || (bv.bv_offset & addr_mask))
			return false;
	return true;
}

/* Starts at byte @offset of the request, and stops at its end. */
void rust_helper_copy_request_data(struct request *rq, unsigned int offset,
				   char *buf, size_t bytes, bool to_request)
{
	struct bio_vec bv, part;
	struct req_iterator iter;

	rq_for_each_segment(bv, rq, iter) {
		if (offset >= bv.bv_len) {
			offset -= bv.bv_len;
			continue;
		}
		part = bv;
		part.bv_offset += offset;
		part.bv_len = min_t(size_t, part.bv_len - offset, bytes);
		if (to_request)
			memcpy_to_bvec(&part, buf);
		else
			memcpy_from_bvec(buf, &part);
		buf += part.bv_len;
		bytes -= part.bv_len;
		offset = 0;
		if (!bytes)
			return;
	}
}

/* The cgroup of the first bio; NULL if it is the root. */
struct cgroup_subsys_state *rust_helper_request_blkcg(struct request *rq)
{
#ifdef CONFIG_BLK_CGROUP
	if (rq->bio) {
		struct cgroup_subsys_state *css = bio_blkcg_css(rq->bio);

		return css == blkcg_root_css ? NULL : css;
	}
#endif
	return NULL;
}

/* Only with BLK_MQ_F_BLOCKING there is a lock. */
void rust_helper_tag_set_lock_class(struct blk_mq_tag_set *set,
				    struct lock_class_key *key)
{
	if (set->srcu)
		lockdep_set_class(set->srcu, key);
}
