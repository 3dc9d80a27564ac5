#!/usr/bin/env python3
"""Run a command and print the peak resident memory of its own process in MiB, without its children (a scanner, say).

usage: peak_memory.py REPORT COMMAND…      (appends `own MIB` and `tree MIB` to REPORT, exits as the command does)
"""
import resource
import subprocess
import sys
import time

POLL_SECONDS = 0.01  # the kernel keeps the high-water mark itself: only growth in the last moment can be missed


def high_water(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


process = subprocess.Popen(sys.argv[2:])
own = 0
while process.poll() is None:
    own = max(own, high_water(process.pid))
    time.sleep(POLL_SECONDS)
tree = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "a") as report:
    report.write(f"own {own // 1024}\ntree {tree // 1024}\n")
sys.exit(process.returncode)
