// SPDX-License-Identifier: GPL-2.0-or-later

#include "archive.h"

#include <caffe2/serialize/inline_container.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace {

[[noreturn]] void refuse(const std::string &path, const std::string &reason)
{
  throw std::runtime_error(path + " is not a Lampion model file: " + reason + "; make one with `lampion export`");
}

// A TorchScript archive is a zip file, and a zip file starts with these bytes.
void require_zip(const std::string &path)
{
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error("Cannot open model file " + path + ": " + std::strerror(errno) +
                             "; give the path from the folder lmp is started in");
  char start[4] = {};
  file.read(start, sizeof start);
  if (std::memcmp(start, "PK\3\4", sizeof start) != 0) refuse(path, "it is no TorchScript archive");
}
}    // namespace

std::string lampion::read_manifest(const std::string &path)
{
  require_zip(path);
  std::string text;
  try {
    caffe2::serialize::PyTorchStreamReader archive(path);
    if (archive.hasRecord("extra/lampion.json")) {
      const auto [data, size] = archive.getRecord("extra/lampion.json");
      text.assign(static_cast<const char *>(data.get()), size);
    }
  } catch (const c10::Error &) {
    refuse(path, "the archive is damaged or incomplete (was a copy or a download cut short?)");
  }
  if (text.empty()) refuse(path, "the archive holds no lampion.json, so another program made it");
  return text;
}
