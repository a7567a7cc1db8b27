// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_UNPACKED_H
#define LAMPION_UNPACKED_H

#include <filesystem>
#include <string>
#include <vector>

namespace lampion {

/// Records of a model file as files in a folder of this process alone, gone with the object: Linux keeps what is loaded.
class Unpacked {
 public:
  /// All records whose names begin with `prefix`.
  Unpacked(const std::string &archive, const std::string &prefix);
  ~Unpacked();
  Unpacked(const Unpacked &) = delete;
  Unpacked &operator=(const Unpacked &) = delete;

  /// Paths of the files, under `folder()` as in the archive under the prefix.
  const std::vector<std::filesystem::path> &files() const { return files_; }
  const std::filesystem::path &folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> files_;
};
}    // namespace lampion

#endif
