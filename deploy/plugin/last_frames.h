// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_LAST_FRAMES_H
#define LAMPION_LAST_FRAMES_H

#include "replica_frame.h"
#include "replica_roster.h"
#include "replica_state.h"

#include <deque>
#include <string>
#include <vector>

namespace lampion {

/// The last few frames of all replicas, of which one replica's are written when it fails.
class LastFrames {
 public:
  explicit LastFrames(size_t most = 0) : most_(most) {}

  /// Nothing if this step is there already.
  void add(const ReplicaFrame &);
  /// The frames of a replica as text in the format of `dump custom`; `last` is put at the end if it is complete.
  std::string text(int replica, const Roster &, const std::vector<std::string> &elements,
                   const ReplicaFrame &last) const;
  double bytes() const;

  void pack(Packed &) const;
  void unpack(Unpacker &, int n);

 private:
  size_t most_;
  std::deque<ReplicaFrame> frames_;
};
}    // namespace lampion

#endif
