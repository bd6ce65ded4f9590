// SPDX-License-Identifier: GPL-2.0

#include <linux/fiemap.h>
#include <linux/fileattr.h>
#include <linux/fs.h>
#include <linux/swap.h>
#include <linux/version.h>

int rust_helper_inode_writers(const struct inode *inode)
{
	return atomic_read(&inode->i_writecount);
}

bool rust_helper_swap_has_own_io(const struct swap_info_struct *sis)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	return sis->ops;
#else
	return sis->flags & SWP_FS_OPS;
#endif
}

/* How many extents a range, in bytes, touches; -EOPNOTSUPP without fiemap. */
int rust_helper_inode_count_extents(struct inode *inode, u64 pos, u64 len,
				    unsigned int *count)
{
	/* fiemap only counts extents if there is no room for them. */
	struct fiemap_extent_info info = {};
	int ret;

	if (!inode->i_op->fiemap)
		return -EOPNOTSUPP;
	ret = inode->i_op->fiemap(inode, &info, pos, len);
	*count = info.fi_extents_mapped;
	return ret;
}

/* Whether FS_NOCOW_FL is known to be clear; false if the query fails. */
bool rust_helper_file_lacks_nocow(struct file *file)
{
	struct file_kattr attr = {};

	return !vfs_fileattr_get(file->f_path.dentry, &attr) &&
	       !(attr.flags & FS_NOCOW_FL);
}
