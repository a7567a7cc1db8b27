// SPDX-License-Identifier: GPL-2.0-or-later
// What torch throws, as one sentence for the user.

#ifndef LAMPION_SENTENCES_H
#define LAMPION_SENTENCES_H

#include <c10/util/Exception.h>
#include <stdexcept>
#include <string>

namespace lampion {

/// torch appends a stack of C++ frames to its messages; a TorchScript error ends with the line that matters.
std::string last_line(const std::string &text);

/// Runs `action`; whatever it throws becomes `what` and a reason.
template <typename Action> auto in_one_sentence(const std::string &what, Action &&action)
{
  try {
    return action();
  } catch (const c10::Error &error) {
    throw std::runtime_error(what + ": " + last_line(error.what_without_backtrace()));
  } catch (const std::exception &error) {
    throw std::runtime_error(what + ": " + last_line(error.what()));
  }
}
}    // namespace lampion

#endif
