// SPDX-License-Identifier: GPL-2.0

#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/wait_bit.h>
#include <linux/part_stat.h>
#include <asm/barrier.h>
#include <trace/events/block.h>

/* Constants that bindgen cannot see, as abstractions/block/ defines them. */
static_assert((__force unsigned int)BLK_OPEN_WRITE == 0x2);
static_assert((__force unsigned int)BLK_OPEN_EXCL == 0x4);
static_assert((__force unsigned int)BLK_FEAT_WRITE_CACHE == 0x1);
static_assert((__force unsigned int)BLK_FEAT_FUA == 0x2);
static_assert((__force unsigned int)BLK_FEAT_STABLE_WRITES == 0x20);
static_assert((__force unsigned int)BLK_FEAT_POLL == 0x200);

unsigned int rust_helper_bdev_logical_block_size(struct block_device *bdev)
{
	return bdev_logical_block_size(bdev);
}

unsigned int rust_helper_bdev_write_zeroes_sectors(struct block_device *bdev)
{
	return bdev_write_zeroes_sectors(bdev);
}

unsigned int rust_helper_bdev_discard_granularity(struct block_device *bdev)
{
	return bdev_discard_granularity(bdev);
}

int rust_helper_bdev_dma_alignment(struct block_device *bdev)
{
	return bdev_dma_alignment(bdev);
}

bool rust_helper_bdev_rot(struct block_device *bdev)
{
	return bdev_rot(bdev);
}

unsigned int rust_helper_bdev_max_bytes(struct block_device *bdev)
{
	return queue_max_bytes(bdev_get_queue(bdev));
}

bool rust_helper_bdev_nowait(struct block_device *bdev)
{
	return bdev_nowait(bdev);
}

bool rust_helper_bdev_has_integrity(struct block_device *bdev)
{
	return blk_get_integrity(bdev->bd_disk);
}

/*
 * False for zoned devices: zone write plugging stores a number of segments in
 * __bi_nr_segments, which shares its memory with bi_cookie, where bio_poll()
 * expects a queue number.
 */
bool rust_helper_bdev_can_poll(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);
	bool can;

	if (!queue_is_mq(q) || bdev_is_zoned(bdev) ||
	    !percpu_ref_tryget_live(&q->q_usage_counter))
		return false;
	can = (q->limits.features & BLK_FEAT_POLL) &&
	      q->tag_set->map[HCTX_TYPE_POLL].nr_queues;
	percpu_ref_put(&q->q_usage_counter);
	return can;
}

bool rust_helper_bdev_stable_writes(struct block_device *bdev)
{
	return bdev_stable_writes(bdev);
}

void rust_helper_bdev_set_stable_pages(struct block_device *bdev, bool on)
{
	if (on)
		mapping_set_stable_writes(bdev->bd_mapping);
	else
		mapping_clear_stable_writes(bdev->bd_mapping);
}

bool rust_helper_bdev_is_zoned(struct block_device *bdev)
{
	return bdev_is_zoned(bdev);
}

bool rust_helper_bdev_takes_writes(struct block_device *bdev)
{
	return !bdev_read_only(bdev) && !IS_SWAPFILE(bdev->bd_mapping->host);
}

/*
 * Clones @bio for @bdev, in memory of the caller. Returns false if there is no
 * memory for the encryption context of an encrypted bio. Sets the device after
 * cloning, so that the cgroup is looked up once, and is the one of @bio. The
 * clone has no protection information, as disks made here do not ask for any.
 *
 * Sets REQ_NOMERGE if @bdev is known to be the lowest device and has no
 * scheduler: most bios that can be merged were merged when @bio was submitted,
 * and to look for more costs more than it gains, except in a scheduler, which
 * collects the bios of several tasks. Stacked devices would pass the flag on.
 */
bool rust_helper_bio_init_clone(struct bio *clone, struct block_device *bdev,
				struct bio *bio, blk_opf_t opf, bool bottom)
{
	if (bio_init_clone(NULL, clone, bio, GFP_NOWAIT | __GFP_NOWARN))
		return false;
	clone->bi_opf = opf;
	if (bottom && !READ_ONCE(bdev_get_queue(bdev)->elevator))
		clone->bi_opf |= REQ_NOMERGE;
	clone->bi_bdev = bdev;
	bio_clone_blkg_association(clone, bio);
	return true;
}

bool rust_helper_may_nest_bio(void)
{
	return current->bio_list && !current->plug;
}

/*
 * The task holds requests of other queues if its plug has some, or has requests
 * that were allocated in advance, or if the task flushes a full plug to add one
 * more request: bio_list is set then.
 */
bool rust_helper_task_holds_requests(void)
{
	struct blk_plug *plug = current->plug;

	return !plug || plug->multiple_queues || current->bio_list ||
	       !rq_list_empty(&plug->cached_rqs);
}

/* Traces that @bio, to be submitted, carries out @rq from @sector of its disk on. */
void rust_helper_trace_bio_remap(struct bio *bio, struct request *rq,
				 sector_t sector)
{
	if (trace_block_bio_remap_enabled())
		trace_block_bio_remap(bio, disk_devt(rq->q->disk), sector);
}

/*
 * Submits a bio at once, not behind the bios that the task is submitting, which
 * may wait for the request that @bio belongs to.
 */
void rust_helper_submit_bio_nested(struct bio *bio)
{
	struct bio_list *outer = current->bio_list;

	current->bio_list = NULL;
	submit_bio_noacct(bio);
	/* If it is set, the bio may be on a list instead of submitted. */
	WARN_ON_ONCE(current->bio_list);
	current->bio_list = outer;
}

/* The I/O that a task was submitting; abstractions/block/plug.rs has a copy. */
struct outer_io {
	struct blk_plug *plug;
	struct bio_list *bios;
};

void rust_helper_start_inner_plug(struct blk_plug *plug,
				  struct outer_io *outer)
{
	/* While PF_BLOCK_TS is set the scheduler writes to the plug that is current. */
	blk_plug_invalidate_ts();
	barrier();
	outer->plug = current->plug;
	outer->bios = current->bio_list;
	current->plug = NULL;
	current->bio_list = NULL;
	blk_start_plug(plug);
}

void rust_helper_finish_inner_plug(struct blk_plug *plug,
				   const struct outer_io *outer)
{
	blk_finish_plug(plug);
	WARN_ON_ONCE(current->plug || current->bio_list);
	current->plug = outer->plug;
	current->bio_list = outer->bios;
}

/* Reads through the page cache, as read_part_sector() does. */
int rust_helper_bdev_read_cached(struct block_device *bdev, loff_t pos,
				 char *to, size_t bytes)
{
	loff_t size = bdev_nr_bytes(bdev);

	if (pos > size || bytes > size - pos)
		return -EIO;
	while (bytes) {
		struct folio *folio = read_mapping_folio(bdev->bd_mapping,
						pos >> PAGE_SHIFT, NULL);
		size_t offset, part;

		if (IS_ERR(folio))
			return PTR_ERR(folio);
		offset = offset_in_folio(folio, pos);
		part = min(bytes, folio_size(folio) - offset);
		memcpy_from_folio(to, folio, offset, part);
		folio_put(folio);
		pos += part;
		to += part;
		bytes -= part;
	}
	return 0;
}

/*
 * The device has requests of its own, and does not remap them to another device.
 * q_usage_counter keeps the tag set: the driver may free it when the device is
 * gone, even while the device is open, but not while the queue is in use.
 */
bool rust_helper_bdev_is_bottom(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);
	bool bottom;

	if (!queue_is_mq(q) || !percpu_ref_tryget_live(&q->q_usage_counter))
		return false;
	bottom = !(q->tag_set->flags & BLK_MQ_F_STACKING);
	percpu_ref_put(&q->q_usage_counter);
	return bottom;
}

unsigned int rust_helper_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

void rust_helper_disk_suppress_part_scan(struct gendisk *disk, bool suppress)
{
	if (suppress)
		set_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	else
		clear_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
}

void rust_helper_wait_until_zero(int *count)
{
	wait_var_event(count, !smp_load_acquire(count));
}

/*
 * Waits until each task has slept or was in userspace, and so has left the
 * function that it is in now, even if it was preempted there. A kernel without
 * this grace period uses an ordinary one, which does the same without preemption.
 */
void rust_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

struct device *rust_helper_disk_to_dev(struct gendisk *disk)
{
	return disk_to_dev(disk);
}

struct gendisk *rust_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

bool rust_helper_dev_get_uevent_suppress(struct device *dev)
{
	return dev_get_uevent_suppress(dev);
}

void rust_helper_dev_set_uevent_suppress(struct device *dev, int val)
{
	dev_set_uevent_suppress(dev, val);
}

bool rust_helper_is_valid_block_size(unsigned int bytes)
{
	return !blk_validate_block_size(bytes);
}

void rust_helper_queue_limits_start_update(struct request_queue *q,
					   struct queue_limits *lim)
{
	*lim = queue_limits_start_update(q);
}

bool rust_helper_queue_limits_try_start_update(struct request_queue *q,
					       struct queue_limits *lim)
{
	if (!mutex_trylock(&q->limits_lock))
		return false;
	*lim = q->limits;
	return true;
}

void rust_helper_queue_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}

/*
 * Acquire, here and in the other two: percpu_ref_is_zero() is none, and the
 * caller reads what requests have written before they ended.
 */
unsigned int rust_helper_blk_mq_freeze_queue(struct request_queue *q)
{
	unsigned int memflags = blk_mq_freeze_queue(q);

	smp_acquire__after_ctrl_dep();
	return memflags;
}

static u64 ended_requests(struct block_device *part)
{
	u64 ended = 0;
	int group;

	for (group = 0; group < NR_STAT_GROUPS; group++)
		ended += part_stat_read(part, ios[group]);
	return ended;
}

/* Gives up when no request has ended for @step jiffies. */
bool rust_helper_blk_mq_freeze_queue_progress(struct request_queue *q,
					      unsigned long step,
					      unsigned int *memflags)
{
	u64 before, ended = ended_requests(q->disk->part0);

	*memflags = memalloc_noio_save();
	blk_freeze_queue_start(q);
	do {
		if (blk_mq_freeze_queue_wait_timeout(q, step) > 0) {
			smp_acquire__after_ctrl_dep();
			return true;
		}
		before = ended;
		ended = ended_requests(q->disk->part0);
	} while (ended != before);
	blk_mq_unfreeze_queue(q, *memflags);
	return false;
}

bool rust_helper_blk_mq_freeze_queue_timeout(struct request_queue *q,
					     unsigned long timeout,
					     unsigned int *memflags)
{
	*memflags = memalloc_noio_save();
	blk_freeze_queue_start(q);
	if (blk_mq_freeze_queue_wait_timeout(q, timeout) > 0) {
		smp_acquire__after_ctrl_dep();
		return true;
	}
	blk_mq_unfreeze_queue(q, *memflags);
	return false;
}

bool rust_helper_disk_is_dead(struct gendisk *disk)
{
	return test_bit(GD_DEAD, &disk->state);
}

void rust_helper_blk_mq_unfreeze_queue(struct request_queue *q,
				       unsigned int memflags)
{
	blk_mq_unfreeze_queue(q, memflags);
}

unsigned int rust_helper_queue_logical_block_size(struct request_queue *q)
{
	return queue_logical_block_size(q);
}

unsigned int rust_helper_queue_dma_alignment(struct request_queue *q)
{
	return queue_dma_alignment(q);
}

#ifdef FILE_EXTENTS
bool rust_helper_bdev_fua(struct block_device *bdev)
{
	return bdev_fua(bdev);
}

bool rust_helper_bdev_write_cache(struct block_device *bdev)
{
	return bdev_write_cache(bdev);
}

/*
 * Like rust_helper_bio_init_clone(), for a part of @bio and in memory of @bs; the
 * clone may be merged. Waits for memory, for which the reserve of @bs is enough.
 */
struct bio *rust_helper_bio_clone_part(struct block_device *bdev,
				       struct bio *bio, struct bio_set *bs,
				       sector_t offset, sector_t sectors)
{
	struct bio *clone = bio_alloc_clone(NULL, bio, GFP_NOIO, bs);

	if (clone) {
		clone->bi_bdev = bdev;
		bio_clone_blkg_association(clone, bio);
		bio_trim(clone, offset, sectors);
	}
	return clone;
}

int rust_helper_blkdev_zero_out(struct block_device *bdev, sector_t sector,
				sector_t sectors, bool unmap, bool fallback)
{
	unsigned int flags = 0;

	if (!unmap)
		flags |= BLKDEV_ZERO_NOUNMAP;
	if (!fallback)
		flags |= BLKDEV_ZERO_NOFALLBACK;
	return blkdev_issue_zeroout(bdev, sector, sectors, GFP_NOIO, flags);
}
#endif
