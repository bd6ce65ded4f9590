// SPDX-License-Identifier: GPL-2.0

#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/pagemap.h>
#include <linux/statfs.h>

/* Constants that bindgen cannot see, as abstractions/fs/ spells them. */
static_assert((__force int)RWF_NOWAIT == 0x8);
static_assert((__force unsigned int)FMODE_WRITE == 0x2);
static_assert((__force unsigned int)FMODE_NOWAIT == 1 << 27);
static_assert(FALLOC_FL_KEEP_SIZE == 0x1);
static_assert(FALLOC_FL_PUNCH_HOLE == 0x2);
static_assert(FALLOC_FL_ZERO_RANGE == 0x10);

void rust_helper_kiocb_start_write(struct kiocb *iocb)
{
	kiocb_start_write(iocb);
}

/* What kiocb_start_write() does, if that need not wait for a thaw. */
bool rust_helper_kiocb_start_write_trylock(struct kiocb *iocb)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	if (!sb_start_write_trylock(sb))
		return false;
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	return true;
}

void rust_helper_kiocb_end_write(struct kiocb *iocb)
{
	kiocb_end_write(iocb);
}

bool rust_helper_file_can_odirect(struct file *file)
{
	return file->f_mode & FMODE_CAN_ODIRECT;
}

const struct path *rust_helper_file_path(struct file *file)
{
	return &file->f_path;
}

int rust_helper_vfs_statfs_bsize(struct file *file, long *bytes)
{
	struct kstatfs buf;
	int ret = vfs_statfs(&file->f_path, &buf);

	if (!ret)
		*bytes = buf.f_bsize;
	return ret;
}

loff_t rust_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

gfp_t rust_helper_gfp_io_fs(void)
{
	return __GFP_IO | __GFP_FS;
}

gfp_t rust_helper_mapping_gfp_mask(struct address_space *mapping)
{
	return mapping_gfp_mask(mapping);
}

void rust_helper_mapping_set_gfp_mask(struct address_space *mapping, gfp_t mask)
{
	mapping_set_gfp_mask(mapping, mask);
}

u64 rust_helper_huge_encode_dev(dev_t dev)
{
	return huge_encode_dev(dev);
}
