# SPDX-License-Identifier: GPL-2.0
"""`make run`: the stock kernel with our loop.ko does the main job on a real image."""

import os
import shutil
import tempfile

from . import accelerator, dmesg, image, kernel, module
from .guest import INSIDE, Guest
from .say import say

SECONDS = 900


def run(series):
    stock = kernel.Kernel(series).get()
    image.GuestImage(stock.arch).get()
    ko = module.build(stock)
    accel = accelerator.choose(stock)
    with tempfile.TemporaryDirectory() as temporary:
        payload = os.path.join(temporary, "demo")
        os.mkdir(payload)
        shutil.copy(os.path.join(INSIDE, "demo.py"), payload)
        shutil.copy(ko, payload)
        guest = Guest(stock, accel, payload=[payload])
        say(f"booting {stock.release} ({accel.name})")
        status = guest.run(["python3", "demo.py", "loop.ko"], SECONDS)

    print("dmesg:")
    for line in dmesg.about_loop(guest.dmesg):
        print("  " + line)
    complaints = dmesg.complaints(guest.dmesg)
    print()
    if status or complaints:
        for line in complaints:
            say(f"dmesg: {line}")
        say(f"FAILED: {guest.verdict or ('warnings in dmesg' if not status else 'see above')}; dmesg is {guest.dmesg}")
        return False
    print(f"All of it worked, no warning in dmesg ({guest.dmesg}).")
    return True
