// SPDX-License-Identifier: GPL-2.0

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/sched/mm.h>

/* Constants that bindgen cannot see, as abstractions/block/ spells them. */
static_assert((__force unsigned int)BLK_OPEN_WRITE == 0x2);
static_assert((__force unsigned int)BLK_OPEN_EXCL == 0x4);
static_assert((__force unsigned int)BLK_FEAT_WRITE_CACHE == 0x1);
static_assert((__force unsigned int)BLK_FEAT_ROTATIONAL == 0x4);

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

struct device *rust_helper_disk_to_dev(struct gendisk *disk)
{
	return disk_to_dev(disk);
}

struct gendisk *rust_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

void rust_helper_dev_set_uevent_suppress(struct device *dev, int val)
{
	dev_set_uevent_suppress(dev, val);
}

void rust_helper_queue_limits_start_update(struct request_queue *q,
					   struct queue_limits *lim)
{
	*lim = queue_limits_start_update(q);
}

void rust_helper_queue_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}

unsigned int rust_helper_blk_mq_freeze_queue(struct request_queue *q)
{
	return blk_mq_freeze_queue(q);
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
