// SPDX-License-Identifier: GPL-2.0-or-later

#include "archive.h"

#include "checksums.h"

#include <caffe2/serialize/inline_container.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
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
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::is_directory(status)) refuse(path, "it is a folder");
  if (std::filesystem::is_fifo(status)) refuse(path, "it is a pipe");    // to open it would wait for a writer
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error("Cannot open model file " + path + ": " + std::strerror(errno) +
                             "; give the path from the folder lmp is started in");
  char start[4] = {};
  file.read(start, sizeof start);
  if (std::memcmp(start, "PK\3\4", sizeof start) != 0) refuse(path, "it is no TorchScript archive");
}

// Bytes may change on a disk or in a transfer, and weights that changed would give forces that are only a little wrong.
void require_checksums(caffe2::serialize::PyTorchStreamReader &archive, const std::string &path)
{
  for (const auto &[entry, recorded] : lampion::recorded_checksums(path)) {
    const auto [data, size] = archive.getRecord(entry.substr(entry.find('/') + 1));
    if (lampion::checksum(data.get(), size) != recorded)
      throw std::runtime_error("the checksum of " + entry + " is wrong");
  }
}
}    // namespace

std::string lampion::read_manifest(const std::string &path)
{
  require_zip(path);
  std::string text;
  try {
    caffe2::serialize::PyTorchStreamReader archive(path);
    require_checksums(archive, path);
    if (archive.hasRecord("extra/lampion.json")) {
      const auto [data, size] = archive.getRecord("extra/lampion.json");
      text.assign(static_cast<const char *>(data.get()), size);
    }
  } catch (const std::exception &) {    // torch's own messages are about its source
    refuse(path, "the archive is damaged or incomplete (was a copy or a download cut short?)");
  }
  if (text.empty()) refuse(path, "the archive holds no lampion.json, so another program made it");
  return text;
}
