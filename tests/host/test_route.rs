// SPDX-License-Identifier: GPL-2.0

//! `route.rs`: each combination of facts, against what must hold for all, and against a table.

use core::cell::Cell;

use crate::{
    abstractions::block::mq::Op,
    route::{reroute, route, DataPath, Facts, Route, SubmitContext, Why},
};

#[derive(Clone, Copy, Debug)]
struct Known {
    op: Op,
    path: DataPath,
    direct: bool,
    rmw: bool,
    read_only: bool,
    cgroup: bool,
    flush_step: bool,
    ordered: bool,
    writes_blocked: bool,
    blocking_writes: bool,
    bottom: bool,
    remap: bool,
    copy: bool,
    try_nowait: bool,
    ahead: bool,
}

impl Facts for Known {
    fn op(&self) -> Op {
        self.op
    }

    fn path(&self) -> DataPath {
        self.path
    }

    fn is_direct(&self) -> bool {
        self.direct
    }

    fn needs_rmw(&self) -> bool {
        self.rmw
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn in_cgroup(&self) -> bool {
        self.cgroup
    }

    fn is_flush_step(&self) -> bool {
        self.flush_step
    }

    fn is_ordered(&self) -> bool {
        self.ordered
    }

    fn are_writes_blocked(&self) -> bool {
        self.writes_blocked
    }

    fn has_blocking_writes(&self) -> bool {
        self.blocking_writes
    }

    fn is_on_bottom(&self) -> bool {
        self.bottom
    }

    fn can_remap(&self) -> bool {
        self.remap
    }

    fn can_copy(&self) -> bool {
        self.copy
    }

    fn can_try(&self) -> bool {
        self.try_nowait
    }

    fn reads_ahead(&self) -> bool {
        self.ahead
    }
}

const OPS: [Op; 5] = [Op::Read, Op::Write, Op::Flush, Op::Discard, Op::WriteZeroes];
const PATHS: [DataPath; 3] = [DataPath::BlockDevice, DataPath::Pinned, DataPath::File];
const CONTEXTS: [SubmitContext; 3] = [
    SubmitContext::NoSubmit,
    SubmitContext::NoWait,
    SubmitContext::MayWait,
];
const WHYS: [Why; 5] = [
    Why::NotRemapped,
    Why::NotCached,
    Why::WouldBlock,
    Why::NoTag,
    Why::CannotPoll,
];

/// Calls `f` with everything that can be.
fn for_all(mut f: impl FnMut(Known)) {
    for op in OPS {
        for path in PATHS {
            for bits in 0..1 << 13 {
                let bit = |n: u32| bits >> n & 1 != 0;
                let known = Known {
                    op,
                    path,
                    direct: bit(0),
                    read_only: bit(1),
                    cgroup: bit(2),
                    flush_step: bit(3),
                    ordered: bit(4),
                    writes_blocked: bit(5),
                    blocking_writes: bit(6),
                    remap: bit(7),
                    copy: bit(8),
                    try_nowait: bit(9),
                    ahead: bit(10),
                    rmw: bit(11),
                    bottom: bit(12),
                };
                let is_device = path == DataPath::BlockDevice;
                // Zoned devices are block devices, and their writes are not remapped; writes to block devices
                // are not blocked; a pinned file has direct I/O.
                // Only what is direct, not pinned, not a flush, and no write of a zoned device, needs it.
                let can_rmw = known.direct
                    && path != DataPath::Pinned
                    && op != Op::Flush
                    && !(known.ordered && op.is_write());
                let can_be = (can_rmw || !known.rmw)
                    && (is_device || !known.ordered && !known.remap && !known.bottom)
                    && !(known.remap && known.ordered && op == Op::Write)
                    && (path != DataPath::Pinned || known.direct);
                if can_be {
                    f(known);
                }
            }
        }
    }
}

fn is_transfer(op: Op) -> bool {
    matches!(op, Op::Read | Op::Write)
}

#[test]
fn routes_keep_the_rules() {
    for_all(|known| {
        for context in CONTEXTS {
            let route = route(&known, context);
            let say = || format!("{known:?} {context:?}: {route:?}");
            let is_write = known.op.is_write();
            assert_eq!(
                route == Route::Fail,
                is_write && known.read_only,
                "{}",
                say()
            );
            if route == Route::Fail {
                continue;
            }
            // Whatever else is known of it.
            assert_eq!(route == Route::Rmw, known.rmw, "{}", say());
            if known.rmw {
                continue;
            }
            if !is_transfer(known.op) {
                assert_eq!(route, Route::OwnWork, "{}", say());
                continue;
            }
            match route {
                // No file system is called by the submitter, and it waits only if it may.
                Route::Remap { nowait } => {
                    assert_ne!(known.path, DataPath::File, "{}", say());
                    assert_ne!(context, SubmitContext::NoSubmit, "{}", say());
                    assert!(known.path == DataPath::Pinned || known.bottom, "{}", say());
                    assert_eq!(nowait, context != SubmitContext::MayWait, "{}", say());
                    assert!(known.direct, "{}", say());
                    let blocked = known.path == DataPath::Pinned && known.writes_blocked;
                    assert!(!(is_write && blocked), "{}", say());
                }
                Route::CopyCached => {
                    assert!(
                        known.op == Op::Read && !known.direct && known.copy,
                        "{}",
                        say()
                    );
                    assert_ne!(known.path, DataPath::Pinned, "{}", say());
                }
                Route::Nowait => {
                    assert!(known.try_nowait, "{}", say());
                    assert_ne!(known.path, DataPath::Pinned, "{}", say());
                }
                Route::RemapInTask => {
                    assert_eq!(known.path, DataPath::Pinned, "{}", say());
                    assert!(!known.cgroup, "{}", say());
                }
                Route::Ordered => assert!(known.op == Op::Write && known.ordered, "{}", say()),
                // Others of the cgroup wait behind it: it must be as slow as they are, or be theirs to wait for.
                Route::Blocking => assert!(
                    known.direct
                        && (known.cgroup || known.path == DataPath::BlockDevice && known.remap)
                        || known.op == Op::Write,
                    "{}",
                    say()
                ),
                Route::OwnWork => (),
                Route::Fail | Route::Rmw => unreachable!(),
            }
            // The order of a zone is kept, whatever else is known.
            if known.op == Op::Write && known.ordered {
                assert_eq!(route, Route::Ordered, "{}", say());
            }
            // What waits until writes are allowed holds up nothing that need not.
            if is_write && known.writes_blocked && known.path != DataPath::BlockDevice {
                assert_eq!(route, Route::OwnWork, "{}", say());
            }
        }
    });
}

#[test]
fn reroutes_lead_on() {
    for_all(|known| {
        if !is_transfer(known.op) {
            return;
        }
        for why in WHYS {
            for in_task in [false, true] {
                let route = reroute(&known, why, in_task);
                let say = || format!("{known:?} {why:?} {in_task}: {route:?}");
                // A second refusal for the same reason would go on for ever.
                assert!(!matches!(route, Route::Remap { .. }), "{}", say());
                assert_ne!(route, Route::CopyCached, "{}", say());
                assert_ne!(route, Route::Fail, "{}", say());
                // What is excluded was found out before it was issued.
                assert_ne!(route, Route::Rmw, "{}", say());
                if why == Why::WouldBlock {
                    assert!(
                        matches!(route, Route::Blocking | Route::OwnWork),
                        "{}",
                        say()
                    );
                }
                // Reported from interrupts: only a work item of its own can be queued there.
                if !in_task && !matches!(why, Why::NotRemapped | Why::NotCached) {
                    assert_eq!(route, Route::OwnWork, "{}", say());
                }
            }
        }
    });
}

/// A write that begins while writes are blocked. After so many looks at the path and at whether writes are
/// blocked, the file is pinned and writes are allowed, in this order.
struct Pinning {
    write: Known,
    looks: Cell<u32>,
}

impl Pinning {
    fn is_over(&self) -> bool {
        let left = self.looks.get();
        self.looks.set(left.saturating_sub(1));
        left == 0
    }
}

#[rustfmt::skip]
impl Facts for Pinning {
    fn path(&self) -> DataPath { if self.is_over() { DataPath::Pinned } else { DataPath::File } }
    fn are_writes_blocked(&self) -> bool { !self.is_over() }
    fn op(&self) -> Op { self.write.op() }
    fn is_direct(&self) -> bool { self.write.is_direct() }
    fn needs_rmw(&self) -> bool { self.write.needs_rmw() }
    fn is_read_only(&self) -> bool { self.write.is_read_only() }
    fn in_cgroup(&self) -> bool { self.write.in_cgroup() }
    fn is_flush_step(&self) -> bool { self.write.is_flush_step() }
    fn is_ordered(&self) -> bool { self.write.is_ordered() }
    fn has_blocking_writes(&self) -> bool { self.write.has_blocking_writes() }
    fn is_on_bottom(&self) -> bool { self.write.is_on_bottom() }
    fn can_remap(&self) -> bool { self.write.can_remap() }
    fn can_copy(&self) -> bool { self.write.can_copy() }
    fn can_try(&self) -> bool { self.write.can_try() }
    fn reads_ahead(&self) -> bool { self.write.reads_ahead() }
}

/// The nowait work issues a write on the file without another look: the file must not be pinned by then, as
/// its file system then refuses writes.
#[test]
fn a_write_finds_the_file_pinned_once_writes_are_allowed() {
    for_all(|known| {
        if known.op != Op::Write || known.path != DataPath::File {
            return;
        }
        for context in CONTEXTS {
            for looks in 0..4 {
                let facts = Pinning {
                    write: known,
                    looks: Cell::new(looks),
                };
                let route = route(&facts, context);
                assert_ne!(route, Route::Nowait, "{known:?} {context:?}: {looks} looks");
            }
        }
    });
}

const FILE: Known = Known {
    op: Op::Read,
    path: DataPath::File,
    direct: true,
    rmw: false,
    read_only: false,
    cgroup: false,
    flush_step: false,
    ordered: false,
    writes_blocked: false,
    blocking_writes: false,
    bottom: false,
    remap: false,
    copy: true,
    try_nowait: true,
    ahead: true,
};
const BUFFERED: Known = Known {
    direct: false,
    ..FILE
};
const DEVICE: Known = Known {
    path: DataPath::BlockDevice,
    bottom: true,
    remap: true,
    ..FILE
};
const PINNED: Known = Known {
    path: DataPath::Pinned,
    ..FILE
};

#[test]
fn routes_are_those_of_the_table() {
    use Route::{Blocking, CopyCached, Nowait, Ordered, OwnWork, RemapInTask};
    use SubmitContext::{MayWait, NoSubmit, NoWait};
    const REMAP: Route = Route::Remap { nowait: false };
    const REMAP_NOWAIT: Route = Route::Remap { nowait: true };
    let write = |known: Known| Known {
        op: Op::Write,
        ..known
    };
    // Buffered writes are never tried.
    let untried = |known: Known| Known {
        try_nowait: false,
        ..known
    };
    let in_cgroup = |known: Known| Known {
        cgroup: true,
        ..known
    };
    let step = |known: Known| Known {
        flush_step: true,
        ..known
    };
    let cached = |known: Known| Known {
        remap: false,
        ..known
    };
    let stacked = |known: Known| Known {
        bottom: false,
        ..known
    };
    let zoned = |known: Known| Known {
        ordered: true,
        remap: false,
        ..known
    };
    let blocked = |known: Known| Known {
        writes_blocked: true,
        ..known
    };
    let uncached = |known: Known| Known {
        copy: false,
        ..known
    };
    let busy = |known: Known| Known {
        blocking_writes: true,
        ..known
    };
    let in_blocks = |known: Known| Known { rmw: true, ..known };
    #[rustfmt::skip]
    let table = [
        (in_blocks(DEVICE), MayWait, Route::Rmw),
        (in_blocks(write(step(FILE))), NoSubmit, Route::Rmw),
        (in_blocks(Known { op: Op::Discard, ..FILE }), NoSubmit, Route::Rmw),
        (DEVICE, MayWait, REMAP),
        (DEVICE, NoWait, REMAP_NOWAIT),
        (DEVICE, NoSubmit, Nowait),
        (untried(DEVICE), NoSubmit, Blocking),
        (write(DEVICE), MayWait, REMAP),
        (stacked(DEVICE), MayWait, Nowait),
        (stacked(write(DEVICE)), NoWait, Nowait),
        (stacked(untried(DEVICE)), MayWait, Blocking),
        (stacked(in_cgroup(DEVICE)), MayWait, Blocking),
        (cached(DEVICE), MayWait, Nowait),
        (untried(cached(DEVICE)), MayWait, OwnWork),
        (in_cgroup(DEVICE), MayWait, REMAP),
        (in_cgroup(DEVICE), NoSubmit, Blocking),
        (write(zoned(DEVICE)), MayWait, Ordered),
        (zoned(cached(DEVICE)), NoSubmit, Nowait),
        (write(blocked(DEVICE)), MayWait, REMAP),
        (PINNED, MayWait, REMAP),
        (PINNED, NoWait, REMAP_NOWAIT),
        (PINNED, NoSubmit, RemapInTask),
        (in_cgroup(PINNED), NoSubmit, Blocking),
        (blocked(PINNED), MayWait, REMAP),
        (write(blocked(PINNED)), MayWait, OwnWork),
        (FILE, MayWait, Nowait),
        (untried(FILE), MayWait, OwnWork),
        (write(FILE), MayWait, Nowait),
        (write(untried(FILE)), MayWait, Blocking),
        (write(blocked(FILE)), MayWait, OwnWork),
        (write(step(FILE)), NoSubmit, OwnWork),
        (write(step(FILE)), MayWait, Nowait),
        (write(busy(step(FILE))), NoSubmit, Nowait),
        (BUFFERED, MayWait, CopyCached),
        (uncached(BUFFERED), MayWait, Nowait),
        (in_cgroup(FILE), MayWait, Blocking),
        (in_cgroup(write(FILE)), MayWait, Blocking),
        (in_cgroup(uncached(BUFFERED)), MayWait, Nowait),
        (in_cgroup(untried(FILE)), MayWait, OwnWork),
        (in_cgroup(BUFFERED), NoSubmit, CopyCached),
        (write(untried(BUFFERED)), MayWait, Blocking),
        (write(untried(in_cgroup(BUFFERED))), NoSubmit, Blocking),
    ];
    for (known, context, expected) in table {
        assert_eq!(route(&known, context), expected, "{known:?} {context:?}");
    }
    #[rustfmt::skip]
    let table = [
        (DEVICE, Why::NotRemapped, true, Nowait),
        (untried(DEVICE), Why::NotRemapped, true, Blocking),
        (in_cgroup(DEVICE), Why::NotRemapped, true, Blocking),
        (DEVICE, Why::NoTag, true, OwnWork),
        (DEVICE, Why::WouldBlock, true, OwnWork),
        (PINNED, Why::NotRemapped, true, RemapInTask),
        (PINNED, Why::NoTag, true, RemapInTask),
        (PINNED, Why::NoTag, false, OwnWork),
        (in_cgroup(PINNED), Why::NoTag, true, Blocking),
        (PINNED, Why::CannotPoll, true, OwnWork),
        (BUFFERED, Why::NotCached, true, Nowait),
        (BUFFERED, Why::WouldBlock, true, Blocking),
        (BUFFERED, Why::WouldBlock, false, OwnWork),
        (FILE, Why::WouldBlock, true, OwnWork),
        (busy(FILE), Why::WouldBlock, true, Blocking),
        (write(FILE), Why::WouldBlock, true, Blocking),
    ];
    for (known, why, in_task, expected) in table {
        assert_eq!(reroute(&known, why, in_task), expected, "{known:?} {why:?}");
    }
}
