# SPDX-License-Identifier: GPL-2.0
"""Cases of real programs, on a file system on a loop device.

A program is a set of shell commands, which run in a directory of the file system:

    programs  these are read into memory before each step, with their libraries
    make      once a boot, in $MADE, a directory in memory
    setup     before the steps, not timed
    steps     each is timed, and starts with nothing of the file system in memory
    end       after the steps, not timed
"""

from lab.image import BenchImage

from .cgroup_cases import BOTH
from .model import WALL, Case, Metric, on_filesystem
from .sync_cases import LATENCY, NEIGHBOURS

IMAGE_MIB = 512
# A rollback journal takes several flushes a transaction, so fewer transactions are as long.
TRANSACTIONS = {"DELETE": 300, "WAL": 1000}
# Twenty seconds on an emulated CPU.
PACKAGES = 50
TIMES = 10
SECONDS = Metric("time", "s", True, "seconds")

# 1,500 files of 9 KB in 30 directories.
TREE = (
    "for dir in $(seq 10 39); do mkdir -p tree/$dir;"
    " seq ${dir}000001 ${dir}050000 | split -a 2 -l 1000 - tree/$dir/; done"
)
POSTGRES = (
    "postgres() { program=$1; shift; setpriv --reuid=postgres --regid=postgres --clear-groups"
    ' /usr/lib/postgresql/17/bin/$program "$@"; };'
)
START = "postgres pg_ctl -s -w -D $PWD/cluster -l $PWD/cluster/log -o '-k /tmp -c listen_addresses=' start;"
STOP = "postgres pg_ctl -s -w -D $PWD/cluster stop"


def sqlite(mode):
    return {
        "programs": "sqlite3",
        "make": f"seq {TRANSACTIONS[mode]} | sed \"s/.*/INSERT INTO rows VALUES (&, 'row &');/\" >rows.sql",
        "setup": f"sqlite3 db 'PRAGMA journal_mode={mode}; CREATE TABLE rows (id INTEGER PRIMARY KEY, content TEXT)'",
        "steps": {"insert": "sqlite3 -cmd 'PRAGMA synchronous=FULL' db <$MADE/rows.sql"},
    }


PROGRAMS = {
    "sqlite-journal": (f"sqlite3, {TRANSACTIONS['DELETE']:,} transactions, rollback journal", sqlite("DELETE")),
    "sqlite-wal": (f"sqlite3, {TRANSACTIONS['WAL']:,} transactions, WAL", sqlite("WAL")),
    "dpkg": (
        f"dpkg installs {PACKAGES} packages of three files",
        {
            "programs": "dpkg dpkg-deb tar rm",
            "make": f"for number in $(seq {PACKAGES}); do"
            " mkdir -p root/DEBIAN root/usr/share/package-$number;"
            ' printf "Package: package-%s\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody <nobody@localhost>\\n'
            'Description: none\\n" $number >root/DEBIAN/control;'
            " for file in one two three; do seq $number 2000 >root/usr/share/package-$number/$file; done;"
            " dpkg-deb -Znone -b root $number.deb; rm -r root; done",
            "setup": "mkdir -p var/lib/dpkg/info var/lib/dpkg/updates; touch var/lib/dpkg/status",
            # All that --force-all allows but unsafe-io, which leaves out fsync.
            "steps": {"install": "dpkg --root=$PWD --force-all --no-force-unsafe-io --install $MADE/*.deb; sync -f ."},
        },
    ),
    "git": (
        "git, checkout of 1,500 files, commit of 250",
        {
            "programs": "git",
            "make": f"git init -q -b main repository; cd repository; {TREE}; git add .;"
            " git -c user.name=a -c user.email=a@localhost commit -q -m all; git gc -q",
            "setup": "git clone -q --no-checkout --no-hardlinks $MADE/repository .;"
            " git config user.name a; git config user.email a@localhost",
            "steps": {
                "checkout": "git checkout -q main; sync -f .",
                "commit": "for file in tree/1[0-4]/*; do echo more >>$file; done; git commit -q -a -m more; sync -f .",
            },
        },
    ),
    "tar": (
        "tar, 1,500 files out of an archive and into one",
        {
            "programs": "tar",
            "make": f"{TREE}; tar -cf tree.tar tree",
            "setup": "true",
            "steps": {"extract": "tar -xf $MADE/tree.tar; sync -f .", "create": "tar -cf new.tar tree; sync -f ."},
        },
    ),
    "postgresql": (
        "pgbench, 4 clients, 100 transactions each",
        {
            "programs": "/usr/lib/postgresql/17/bin/*",
            "make": f"{POSTGRES} mkdir cluster; chown postgres cluster;"
            f" postgres initdb -A trust --no-sync --no-locale -D $PWD/cluster; {START}"
            f" postgres pgbench -q -h /tmp -i postgres; {STOP}",
            "setup": f"{POSTGRES} cp -a $MADE/cluster .; {START}",
            "steps": {"pgbench": f"{POSTGRES} postgres pgbench -n -h /tmp -c 4 -t 100 postgres"},
            # Also where it has not started, so that the failure to start is what is reported.
            "end": f"{POSTGRES} {STOP} || true",
        },
    ),
    "mkfs": (
        f"mkfs.ext4 and fsck.ext4, {TIMES} times each",
        {
            "programs": "mkfs.ext4 fsck.ext4",
            "device": True,
            "steps": {
                "mkfs": f"for turn in $(seq {TIMES}); do"
                " mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 $DEVICE; done",
                "fsck": f"for turn in $(seq {TIMES}); do fsck.ext4 -f -n $DEVICE; done",
            },
        },
    ),
    "rsync": (
        "rsync, copy of 1,500 files",
        {
            "programs": "rsync",
            "make": TREE,
            "setup": "cp -r $MADE/tree .",
            "steps": {"copy": "rsync -a tree/ copy/; sync -f ."},
        },
    ),
}


def cases():
    ext4 = on_filesystem("ext4", 4, mib=IMAGE_MIB, **LATENCY)
    for name, (title, commands) in PROGRAMS.items():
        for direct in (False, True):
            for controllers in ((), BOTH):
                how = "direct" if direct else "buffered"
                yield Case(
                    f"wall-program-{name}-{how}{'-cgroup' if controllers else ''}",
                    f"{title}, on loop ({how}){', in a cgroup' if controllers else ''}", WALL, ext4,
                    {"kind": "program", "name": name, "controllers": controllers} | commands, SECONDS, NEIGHBOURS,
                    direct=direct, image=BenchImage,
                )  # fmt: skip
