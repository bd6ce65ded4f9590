// SPDX-License-Identifier: GPL-2.0

#include <linux/dcache.h>
#include <linux/errseq.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iversion.h>
#include <linux/kdev_t.h>
#include <linux/pagemap.h>
#include <linux/statfs.h>
#include <linux/uio.h>
#include <asm/barrier.h>

/* Constants that bindgen cannot see, as abstractions/fs/ defines them. */
static_assert((__force int)RWF_NOWAIT == 0x8);
static_assert((__force unsigned int)FOP_BUFFER_RASYNC == 0x1);
static_assert((__force unsigned int)FMODE_WRITE == 0x2);
static_assert((__force unsigned int)FMODE_NOWAIT == 1 << 27);
static_assert(SB_RDONLY == 0x1);
static_assert(FALLOC_FL_KEEP_SIZE == 0x1);
static_assert(FALLOC_FL_PUNCH_HOLE == 0x2);
static_assert(FALLOC_FL_ZERO_RANGE == 0x10);
static_assert(SB_UNFROZEN == 0);

void rust_helper_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

int rust_helper_inode_lock_killable(struct inode *inode)
{
	return inode_lock_killable(inode);
}

void rust_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

/* A compound page, so that a driver below may take a reference to each page. */
void *rust_helper_alloc_io_pages(unsigned int order, bool wait)
{
	gfp_t gfp = wait ? GFP_KERNEL : GFP_NOWAIT;

	/* A length that is too large is no bug. */
	gfp |= __GFP_COMP | __GFP_ZERO | __GFP_NOWARN;
	return (void *)__get_free_pages(gfp, order);
}

void rust_helper_free_io_pages(void *addr, unsigned int order)
{
	free_pages((unsigned long)addr, order);
}

struct page *rust_helper_io_page(const void *addr)
{
	return virt_to_page(addr);
}

void rust_helper_kiocb_start_write(struct kiocb *iocb)
{
	kiocb_start_write(iocb);
}

/* kiocb_start_write(), but fails instead of waiting for a thaw. */
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

/*
 * The next three functions take the access out of lockdep's view, as
 * kiocb_start_write() does, because another task may end it.
 */
void rust_helper_sb_start_write(struct super_block *sb)
{
	sb_start_write(sb);
	__sb_writers_release(sb, SB_FREEZE_WRITE);
}

bool rust_helper_sb_start_write_trylock(struct super_block *sb)
{
	if (!sb_start_write_trylock(sb))
		return false;
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	return true;
}

void rust_helper_sb_end_write(struct super_block *sb)
{
	__sb_writers_acquired(sb, SB_FREEZE_WRITE);
	sb_end_write(sb);
}

/*
 * Whether ctime or the change counter were, or may have been, queried since they
 * were set. Acquire: if not, the caller sees what was done before they were set,
 * which is done by a cmpxchg.
 */
bool rust_helper_file_times_queried(struct file *file)
{
	struct inode *inode = file_inode(file);
	bool queried = !is_mgtime(inode) ||
		       READ_ONCE(inode->i_ctime_nsec) & I_CTIME_QUERIED ||
		       (IS_I_VERSION(inode) && inode_iversion_need_inc(inode));

	/* After the query, so that it is an acquire; see above. */
	smp_rmb();
	return queried;
}

bool rust_helper_file_can_odirect(struct file *file)
{
	return file->f_mode & FMODE_CAN_ODIRECT;
}

bool rust_helper_mapping_is_dirty(struct address_space *mapping)
{
	return mapping_tagged(mapping, PAGECACHE_TAG_DIRTY) ||
	       mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK);
}

bool rust_helper_mapping_stable_writes(struct address_space *mapping)
{
	return mapping_stable_writes(mapping);
}

/* Of a file on overlayfs, the page cache of the file below that has the data. */
struct address_space *rust_helper_file_data_mapping(struct file *file)
{
	struct inode *real = d_real_inode(file->f_path.dentry);

	if (S_ISREG(file_inode(file)->i_mode) && real)
		return real->i_mapping;
	return file->f_mapping;
}

int rust_helper_file_wb_err(struct file *file)
{
	struct address_space *data = rust_helper_file_data_mapping(file);
	errseq_t err = READ_ONCE(data->wb_err);

	if (data == file->f_mapping)
		return filemap_check_wb_err(data, READ_ONCE(file->f_wb_err));
	/*
	 * The file notes what it has seen of f_mapping only. A sample is 0 while
	 * nobody has seen the error.
	 */
	return err && !errseq_sample(&data->wb_err) ? errseq_check(&data->wb_err, 0) : 0;
}

/*
 * Sets the flag that filemap_check_errors() clears, and leaves wb_err alone, so
 * that each open file still reports an error once.
 */
void rust_helper_mapping_restore_error(struct address_space *mapping, int err)
{
	set_bit(err == -ENOSPC ? AS_ENOSPC : AS_EIO, &mapping->flags);
}

#ifdef FILE_EXTENTS
void rust_helper_mapping_set_error(struct address_space *mapping, int err)
{
	mapping_set_error(mapping, err);
}
#endif

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

bool rust_helper_filemap_range_has_page(struct address_space *mapping,
					loff_t pos, unsigned int len)
{
	return mapping->nrpages &&
	       filemap_range_has_page(mapping, pos, pos + len - 1);
}

/* filemap_get_folio(), but NULL if there is none. */
struct folio *rust_helper_filemap_find_folio(struct address_space *mapping,
					     pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);

	return IS_ERR(folio) ? NULL : folio;
}

void rust_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

loff_t rust_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}

size_t rust_helper_folio_size(const struct folio *folio)
{
	return folio_size(folio);
}

bool rust_helper_folio_is_ready(const struct folio *folio)
{
	return folio_test_uptodate(folio) && !folio_test_readahead(folio);
}

size_t rust_helper_copy_cached_folio(struct folio *folio, size_t offset,
				     size_t bytes, struct iov_iter *iter)
{
	/* A user mapping of the folio may use other cache lines. */
	flush_dcache_folio(folio);
	return copy_folio_to_iter(folio, offset, bytes, iter);
}

/* Readers of a file share f_ra.prev_pos without a lock. */
loff_t rust_helper_file_prev_pos(struct file *file)
{
	return READ_ONCE(file->f_ra.prev_pos);
}

void rust_helper_file_set_prev_pos(struct file *file, loff_t pos)
{
	WRITE_ONCE(file->f_ra.prev_pos, pos);
}

u64 rust_helper_huge_encode_dev(dev_t dev)
{
	return huge_encode_dev(dev);
}

unsigned int rust_helper_inode_blkbits(const struct inode *inode)
{
	return inode->i_blkbits;
}
