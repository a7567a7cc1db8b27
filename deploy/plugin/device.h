// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_DEVICE_H
#define LAMPION_DEVICE_H

#include <c10/core/Device.h>
#include <string>

namespace lampion {
/// The device that `name` ("cpu", "cuda" or "cuda:N") means for this rank. Ranks may share a device.
/// Throws std::runtime_error, naming what was found, if this machine has no such device.
c10::Device choose_device(const std::string &name, int rank_on_node);
}    // namespace lampion

#endif
