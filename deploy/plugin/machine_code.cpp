// SPDX-License-Identifier: GPL-2.0-or-later

#include "machine_code.h"

#include <caffe2/serialize/inline_container.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace {

namespace fs = std::filesystem;
const std::string FOLDER = "data/aotinductor/";

/// A folder of this process alone, gone at the end of the block: Linux keeps what is loaded from it.
class TemporaryFolder {
 public:
  TemporaryFolder()
  {
    auto name = (fs::temp_directory_path() / "lampion-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw std::runtime_error("no folder can be made in " + fs::temp_directory_path().string() +
                               " to unpack machine code; set TMPDIR to one that can be written to");
    path_ = name;
  }
  ~TemporaryFolder()
  {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path &path() const { return path_; }

 private:
  fs::path path_;
};

// the shared object of every function, unpacked
std::map<std::string, fs::path> unpack(const std::string &archive_path, const fs::path &folder)
{
  caffe2::serialize::PyTorchStreamReader archive(archive_path);
  std::map<std::string, fs::path> objects;
  for (const auto &record : archive.getAllRecords()) {
    if (record.rfind(FOLDER, 0) != 0) continue;
    const auto function = record.substr(FOLDER.size(), record.find('/', FOLDER.size()) - FOLDER.size());
    const auto file = folder / function / fs::path(record).filename();
    fs::create_directories(file.parent_path());
    const auto [data, size] = archive.getRecord(record);
    std::ofstream(file, std::ios::binary).write(static_cast<const char *>(data.get()), size);
    if (file.extension() == ".so") objects[function] = file;
  }
  return objects;
}
}    // namespace

lampion::MachineCode::MachineCode(const std::string &path, int n_threads)
{
  const TemporaryFolder folder;
  for (const auto &[function, object] : unpack(path, folder.path()))
    for (int thread = 0; thread < n_threads; thread++)
      runners_[function].push_back(std::make_unique<Runner>(object.string(), 1, true));
}

std::vector<at::Tensor> lampion::MachineCode::run(const std::string &function,
                                                  const std::vector<at::Tensor> &arguments, int thread) const
{
  auto results = runners_.at(function)[thread]->run(arguments);
  for (const auto &result : results)
    if (!result.is_contiguous()) throw std::runtime_error("function " + function + " returns a strided tensor");
  return results;
}
