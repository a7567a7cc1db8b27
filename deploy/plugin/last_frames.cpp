// SPDX-License-Identifier: GPL-2.0-or-later

#include "last_frames.h"

#include "fmt/format.h"

#include <algorithm>

using namespace lampion;

namespace {

std::string header(const ReplicaFrame &frame, int n)
{
  const auto &[low, high, periodic] = frame.box;
  std::string text = fmt::format("ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS", frame.step, n);
  for (const bool p : periodic) text += p ? " pp" : " ff";
  for (int a = 0; a < 3; a++) text += fmt::format("\n{:.16g} {:.16g}", low[a], high[a]);
  return text + "\nITEM: ATOMS id type element x y z vx vy vz fx fy fz\n";
}

std::string one_frame(const ReplicaFrame &frame, int replica, const Roster &roster,
                      const std::vector<std::string> &elements)
{
  auto text = header(frame, roster.n_atoms);
  for (int k = 0; k < roster.n_atoms; k++) {
    const int type = roster.types[k];
    text += fmt::format("{} {} {}", k + 1, type, elements[type - 1]);
    for (const auto *values : {&frame.x, &frame.v, &frame.f})
      for (int a = 0; a < 3; a++) text += fmt::format(" {:.12g}", (*values)[3 * (replica * roster.n_atoms + k) + a]);
    text += '\n';
  }
  return text;
}

bool complete(const ReplicaFrame &frame, int replica, int n)
{
  const auto first = frame.there.begin() + static_cast<int64_t>(replica) * n;
  return std::count(first, first + n, 1) == n;
}
}    // namespace

void LastFrames::add(const ReplicaFrame &frame)
{
  if (most_ == 0 || (!frames_.empty() && frames_.back().step == frame.step)) return;
  if (frames_.size() == most_) frames_.pop_front();
  frames_.push_back(frame);
  frames_.back().energies.clear();
}

std::string LastFrames::text(int replica, const Roster &roster, const std::vector<std::string> &elements,
                             const ReplicaFrame &last) const
{
  std::string text;
  for (const auto &frame : frames_)
    if (frame.step < last.step) text += one_frame(frame, replica, roster, elements);
  if (complete(last, replica, roster.n_atoms)) text += one_frame(last, replica, roster, elements);
  return text;
}

double LastFrames::bytes() const
{
  return frames_.empty() ? 0.0 : 9.0 * sizeof(double) * frames_.size() * frames_.front().there.size();
}

void LastFrames::pack(Packed &packed) const
{
  packed.push_back(static_cast<double>(frames_.size()));
  for (const auto &frame : frames_) {
    packed.push_back(static_cast<double>(frame.step));
    for (int a = 0; a < 3; a++) packed.insert(packed.end(), {frame.box.low[a], frame.box.high[a], double(frame.box.periodic[a])});
    packed.insert(packed.end(), frame.there.begin(), frame.there.end());
    for (const auto *values : {&frame.x, &frame.v, &frame.f}) packed.insert(packed.end(), values->begin(), values->end());
  }
}

void LastFrames::unpack(Unpacker &from, int n)
{
  const auto stored = static_cast<size_t>(from.next());
  for (size_t k = 0; k < stored; k++) {
    ReplicaFrame frame;
    frame.step = static_cast<int64_t>(from.next());
    for (int a = 0; a < 3; a++) {
      frame.box.low[a] = from.next();
      frame.box.high[a] = from.next();
      frame.box.periodic[a] = from.next() != 0.0;
    }
    frame.there.resize(n);
    for (auto &there : frame.there) there = static_cast<char>(from.next());
    for (auto *values : {&frame.x, &frame.v, &frame.f}) {
      values->resize(3 * static_cast<size_t>(n));
      from.fill(*values);
    }
    add(frame);
  }
}
