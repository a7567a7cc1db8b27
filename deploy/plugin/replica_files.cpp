// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

using namespace lampion;

namespace {

// of the rows up to `last`, in bytes; a last line without an end was cut off
std::uintmax_t kept_length(const std::string &path, const std::string &header, int column, int64_t last)
{
  std::ifstream file(path, std::ios::binary);
  std::string line;
  std::uintmax_t length = 0;
  std::getline(file, line);
  if (line != header.substr(0, header.find('\n')))
    throw std::runtime_error("fix lampion/replicas: " + path + " was written by something else; move it away");
  do {
    if (file.eof()) break;
    std::istringstream words(line);
    std::string word;
    for (int k = 0; k <= column; k++) words >> word;
    if (line.rfind('#', 0) != 0 && (!words || std::stoll(word) > last)) break;
    length += line.size() + 1;
  } while (std::getline(file, line));
  return length;
}
}    // namespace

RowFile::~RowFile()
{
  if (file_) std::fclose(file_);
}

void RowFile::fail() const
{
  throw std::runtime_error("fix lampion/replicas cannot write " + path_ + ": " + std::strerror(errno) +
                           "; is there the folder, the right to write, and space?");
}

void RowFile::open(const std::string &path, const char *mode)
{
  path_ = path;
  file_ = std::fopen(path.c_str(), mode);
  if (!file_) fail();
}

void RowFile::create(const std::string &path, const std::string &header)
{
  if (path.empty()) return;
  open(path, "w");
  append(header);
}

void RowFile::resume(const std::string &path, const std::string &header, int column, int64_t last)
{
  if (path.empty()) return;
  if (!std::filesystem::exists(path)) return create(path, header);
  std::filesystem::resize_file(path, kept_length(path, header, column, last));
  open(path, "a");
}

void RowFile::append(const std::string &rows)
{
  if (!file_ || rows.empty()) return;
  if (std::fwrite(rows.data(), 1, rows.size(), file_) != rows.size() || std::fflush(file_) != 0) fail();
}

void lampion::write_file(const std::string &path, const std::string &text)
{
  RowFile file;
  file.create(path, text);
}
