// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_ALLOCATION_H
#define LAMPION_ALLOCATION_H

namespace lampion {
/// Lets the process keep the memory it has freed. torch allocates and frees every intermediate tensor at every
/// step; by default glibc takes large ones from the kernel and gives them back, and each page is faulted in and
/// zeroed again: 30,000 faults a step for 4,000 atoms, in the kernel, where ranks also hinder each other.
/// Nothing happens with another C library.
void keep_freed_memory();
}    // namespace lampion

#endif
