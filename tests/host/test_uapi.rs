// SPDX-License-Identifier: GPL-2.0

//! `uapi.rs`: the structures of userspace, byte by byte.

use crate::{
    cases::{edges, Random, CASES},
    prelude::*,
    uapi::{CompatLoopInfo, LoopConfig, LoopInfo, LoopInfo64, Settings},
};
use core::ops::Range;

/// Where C has the fields of `struct loop_info64`.
mod new {
    use super::Range;

    pub(super) const SIZE: usize = 232;
    pub(super) const DEVICE: Range<usize> = 0..8;
    pub(super) const INODE: Range<usize> = 8..16;
    pub(super) const RDEVICE: Range<usize> = 16..24;
    pub(super) const OFFSET: Range<usize> = 24..32;
    pub(super) const SIZELIMIT: Range<usize> = 32..40;
    pub(super) const NUMBER: Range<usize> = 40..44;
    pub(super) const ENCRYPT_TYPE: Range<usize> = 44..48;
    pub(super) const ENCRYPT_KEY_SIZE: Range<usize> = 48..52;
    pub(super) const FLAGS: Range<usize> = 52..56;
    pub(super) const FILE_NAME: Range<usize> = 56..120;
    pub(super) const NUMBERS: [Range<usize>; 9] = [
        DEVICE,
        INODE,
        RDEVICE,
        OFFSET,
        SIZELIMIT,
        NUMBER,
        ENCRYPT_TYPE,
        ENCRYPT_KEY_SIZE,
        FLAGS,
    ];
}

/// Where C has the fields of a `struct loop_info` that are converted.
struct Old {
    size: usize,
    number: Range<usize>,
    device: Range<usize>,
    inode: Range<usize>,
    rdevice: Range<usize>,
    offset: Range<usize>,
    flags: Range<usize>,
    name: Range<usize>,
}

/// Of a 64-bit program on x86.
const NATIVE: Old = Old {
    size: 168,
    number: 0..4,
    device: 8..16,
    inode: 16..24,
    rdevice: 24..32,
    offset: 32..36,
    flags: 44..48,
    name: 48..112,
};

/// Of a 32-bit program on x86.
const COMPAT: Old = Old {
    size: 140,
    number: 0..4,
    device: 4..6,
    inode: 8..12,
    rdevice: 12..14,
    offset: 16..20,
    flags: 28..32,
    name: 32..96,
};

impl Old {
    /// The numbers, each with its place in `struct loop_info64`.
    fn numbers(&self) -> [(&Range<usize>, Range<usize>); 6] {
        [
            (&self.number, new::NUMBER),
            (&self.device, new::DEVICE),
            (&self.inode, new::INODE),
            (&self.rdevice, new::RDEVICE),
            (&self.offset, new::OFFSET),
            (&self.flags, new::FLAGS),
        ]
    }

    /// What `struct loop_info64` is to hold.
    fn to_new(&self, old: &[u8]) -> [u8; new::SIZE] {
        let mut info = [0; new::SIZE];
        for (from, to) in self.numbers() {
            info[to][..from.len()].copy_from_slice(&old[from.clone()]);
        }
        // The only one whose sign matters.
        if old[self.offset.end - 1] & 0x80 != 0 {
            info[new::OFFSET][4..].fill(0xff);
        }
        info[new::FILE_NAME].copy_from_slice(&old[self.name.clone()]);
        info
    }

    /// What `struct loop_info` is to hold, if the numbers fit.
    fn from_new(&self, info: &[u8]) -> Option<Vec<u8>> {
        let mut old = vec![0; self.size];
        for (to, from) in self.numbers() {
            let (kept, lost) = info[from].split_at(to.len());
            if lost.iter().any(|&byte| byte != 0) {
                return None;
            }
            old[to.clone()].copy_from_slice(kept);
        }
        if old[self.offset.end - 1] & 0x80 != 0 {
            return None;
        }
        old[self.name.clone()].copy_from_slice(&info[new::FILE_NAME]);
        Some(old)
    }
}

fn put(bytes: &mut [u8], field: Range<usize>, value: u64) {
    let len = field.len();
    bytes[field].copy_from_slice(&value.to_le_bytes()[..len]);
}

fn get(bytes: &[u8], field: Range<usize>) -> u64 {
    let mut value = [0; 8];
    value[..field.len()].copy_from_slice(&bytes[field]);
    u64::from_le_bytes(value)
}

/// Calls `f` with structures that hold anything: all that a field may hold at its edges, and random ones.
fn each_structure(size: usize, numbers: &[Range<usize>], mut f: impl FnMut(&[u8])) {
    let mut random = Random::new();
    let mut bytes = vec![0; size];
    for field in numbers {
        for edge in edges() {
            random.fill(&mut bytes);
            // Small enough for what is to be seen of the one.
            for other in numbers {
                let value = random.below(256);
                put(&mut bytes, other.clone(), value);
            }
            put(&mut bytes, field.clone(), edge);
            f(&bytes);
        }
    }
    for _ in 0..CASES {
        random.fill(&mut bytes);
        // Mostly small, so that all of them fit often enough.
        for field in numbers {
            let value = match random.below(8) {
                0 => random.number(),
                _ => random.below(256),
            };
            put(&mut bytes, field.clone(), value);
        }
        f(&bytes);
    }
}

/// From an old structure, and back from what became of it.
fn widens<T>(old: &Old)
where
    T: FromBytes + IntoBytes,
    LoopInfo64: From<T>,
    for<'a> T: TryFrom<&'a LoopInfo64, Error = Error>,
{
    assert_eq!(size_of::<T>(), old.size);
    let numbers = old.numbers().map(|(field, _)| field.clone());
    each_structure(old.size, &numbers, |bytes| {
        let mut info = LoopInfo64::from(T::read_from_bytes(bytes).unwrap());
        let expected = old.to_new(bytes);
        assert_eq!(info.as_mut_bytes(), expected);

        let back = T::try_from(&info);
        if get(bytes, old.offset.clone()) >= 1 << 31 {
            assert_eq!(back.err(), Some(EOVERFLOW));
        } else {
            let back = back.map(|mut back| back.as_mut_bytes().to_vec());
            assert_eq!(back.ok(), old.from_new(&expected));
        }
    });
}

fn narrows<T>(old: &Old)
where
    T: FromBytes + IntoBytes,
    for<'a> T: TryFrom<&'a LoopInfo64, Error = Error>,
{
    let (mut fit, mut overflow) = (0, 0);
    each_structure(new::SIZE, &new::NUMBERS, |bytes| {
        let info = LoopInfo64::read_from_bytes(bytes).unwrap();
        match (T::try_from(&info), old.from_new(bytes)) {
            (Ok(mut info), Some(expected)) => {
                assert_eq!(info.as_mut_bytes(), expected);
                fit += 1;
            }
            (result, expected) => {
                assert_eq!(result.err(), Some(EOVERFLOW));
                assert_eq!(expected, None);
                overflow += 1;
            }
        }
    });
    assert!(
        fit > CASES / 20 && overflow > CASES / 20,
        "{fit} {overflow}"
    );
}

#[test]
fn loop_info_widens() {
    widens::<LoopInfo>(&NATIVE);
}

#[test]
fn compat_loop_info_widens() {
    widens::<CompatLoopInfo>(&COMPAT);
}

#[test]
fn loop_info_narrows() {
    narrows::<LoopInfo>(&NATIVE);
}

#[test]
fn compat_loop_info_narrows() {
    narrows::<CompatLoopInfo>(&COMPAT);
}

#[test]
fn config_has_defaults_for_all_but_the_file() {
    for fd in edges() {
        let mut expected = [0; 304];
        put(&mut expected, 0..4, fd);
        assert_eq!(LoopConfig::for_fd(fd as u32).as_mut_bytes(), expected);
    }
}

#[test]
fn config_is_laid_out_as_in_c() {
    let mut bytes = [0; 304];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = place as u8;
    }
    let mut config = LoopConfig::read_from_bytes(&bytes).unwrap();
    assert_eq!(u64::from(config.fd), get(&bytes, 0..4));
    assert_eq!(u64::from(config.block_size), get(&bytes, 4..8));
    assert_eq!(config.info.as_mut_bytes(), &bytes[8..240]);
}

/// What has to become of some settings: the first of the rules that they break.
fn expected_settings(bytes: &[u8]) -> Result<(u64, u64)> {
    let (offset, limit) = (get(bytes, new::OFFSET), get(bytes, new::SIZELIMIT));
    if get(bytes, new::ENCRYPT_KEY_SIZE) > 32 || get(bytes, new::ENCRYPT_TYPE) != 0 {
        Err(EINVAL)
    } else if offset >> 63 != 0 || limit >> 63 != 0 {
        Err(EOVERFLOW)
    } else {
        Ok((offset, limit))
    }
}

#[test]
fn settings_are_checked() {
    let mut random = Random::new();
    let (mut good, mut invalid, mut overflow) = (0, 0, 0);
    each_structure(new::SIZE, &new::NUMBERS, |bytes| {
        let mut bytes = bytes.to_vec();
        // Encryption would hide the rest.
        if random.below(4) != 0 {
            put(&mut bytes, new::ENCRYPT_TYPE, 0);
            put(&mut bytes, new::ENCRYPT_KEY_SIZE, random.below(34));
        }
        let info = LoopInfo64::read_from_bytes(&bytes).unwrap();
        let name = &mut bytes[new::FILE_NAME];
        name[63] = 0;
        match Settings::new(&info) {
            Ok(settings) => {
                assert_eq!(settings.file_name, name);
                let numbers = (settings.offset as u64, settings.size_limit as u64);
                assert_eq!(expected_settings(&bytes), Ok(numbers));
                good += 1;
            }
            Err(e) => {
                assert_eq!(expected_settings(&bytes), Err(e));
                *(if e == EINVAL {
                    &mut invalid
                } else {
                    &mut overflow
                }) += 1;
            }
        }
    });
    assert!(
        good > CASES / 20 && invalid > CASES / 20,
        "{good} {invalid}"
    );
    assert!(overflow > CASES / 1000, "{overflow}");
}

#[test]
fn settings_refuse_all_encryption() {
    for kind in edges() {
        for key_size in edges() {
            let (kind, key_size) = (kind as u32, key_size as u32);
            let mut info = LoopInfo64::zeroed();
            info.lo_encrypt_type = kind;
            info.lo_encrypt_key_size = key_size;
            let result = Settings::new(&info).map(|_| ());
            let expected = if kind == 0 && key_size <= 32 {
                Ok(())
            } else {
                Err(EINVAL)
            };
            assert_eq!(result, expected, "{kind} {key_size}");
        }
    }
}
