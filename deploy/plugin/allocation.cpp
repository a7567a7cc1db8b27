// SPDX-License-Identifier: GPL-2.0-or-later

#include "allocation.h"

#include <cstdlib>    // defines __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>
#endif

void lampion::keep_freed_memory()
{
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);           // large blocks come from the heap, too
  mallopt(M_TRIM_THRESHOLD, -1);    // whose free end is not given back
#endif
}
