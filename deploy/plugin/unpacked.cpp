// SPDX-License-Identifier: GPL-2.0-or-later

#include "unpacked.h"

#include <caffe2/serialize/inline_container.h>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace {

namespace fs = std::filesystem;

fs::path new_folder()
{
  auto name = (fs::temp_directory_path() / "lampion-XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw std::runtime_error("no folder can be made in " + fs::temp_directory_path().string() +
                             " to unpack machine code; set TMPDIR to one that can be written to");
  return name;
}
}    // namespace

lampion::Unpacked::Unpacked(const std::string &archive_path, const std::string &prefix) : folder_(new_folder())
{
  caffe2::serialize::PyTorchStreamReader archive(archive_path);
  for (const auto &record : archive.getAllRecords()) {
    if (record.rfind(prefix, 0) != 0) continue;
    const auto file = folder_ / record.substr(prefix.size());
    fs::create_directories(file.parent_path());
    const auto [data, size] = archive.getRecord(record);
    std::ofstream stream(file, std::ios::binary);
    if (!stream.write(static_cast<const char *>(data.get()), size).flush())
      throw std::runtime_error("machine code cannot be unpacked to " + file.string() +
                               "; set TMPDIR to a folder with room for it");
    files_.push_back(file);
  }
}

lampion::Unpacked::~Unpacked()
{
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}
