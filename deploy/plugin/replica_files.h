// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_FILES_H
#define LAMPION_REPLICA_FILES_H

#include <cstdint>
#include <cstdio>
#include <string>

namespace lampion {

/// A text file of rows under a header of lines that begin with '#', kept by one rank. Its functions throw
/// std::runtime_error.
class RowFile {
 public:
  RowFile() = default;
  RowFile(const RowFile &) = delete;
  RowFile &operator=(const RowFile &) = delete;
  ~RowFile();

  /// A new file with this header. An empty path makes no file, and `append` does nothing.
  void create(const std::string &path, const std::string &header);
  /// Goes on after the rows whose `column` (from 0) is at most `last`; later ones, of a run that was cut off, are
  /// dropped. Creates the file if there is none.
  void resume(const std::string &path, const std::string &header, int column, int64_t last);
  /// Whole rows; they are on the disk when this returns.
  void append(const std::string &rows);

 private:
  std::string path_;
  FILE *file_ = nullptr;

  void open(const std::string &path, const char *mode);
  [[noreturn]] void fail() const;
};

/// A whole file at once.
void write_file(const std::string &path, const std::string &text);
}    // namespace lampion

#endif
