// SPDX-License-Identifier: GPL-2.0-or-later

#include "sentences.h"

std::string lampion::last_line(const std::string &text)
{
  const auto end = text.find_last_not_of('\n') + 1;
  const auto start = end ? text.rfind('\n', end - 1) : std::string::npos;
  return text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1));
}
