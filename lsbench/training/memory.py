"""Settings of the C library's memory allocator."""

import ctypes
import platform

# Parameters of mallopt(3), numbered as in glibc's malloc.h: never map a block separately, and keep freed
# memory.
SETTINGS = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, 2**31 - 1), "M_TOP_PAD": (-2, 2**26)}


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, ready for the next training step; False if the C library is not
    glibc.

    By default glibc returns large blocks to the system when they are freed, and the system clears every page
    again for the activations of the next step. If the memory is kept, training steps on a CPU take 0.65 to
    0.8 of the time for ResNet-8 and 0.95 for 40 perceptrons, in no more memory (measured).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) for parameter, value in SETTINGS.values())
