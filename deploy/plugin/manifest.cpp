// SPDX-License-Identifier: GPL-2.0-or-later

#include "manifest.h"

#include "json.h"

#include <algorithm>
#include <stdexcept>

using LAMMPS_NS::json;

namespace {

const std::string FORMAT = "lampion/1";

[[noreturn]] void refuse(const std::string &reason)
{
  throw std::runtime_error("its lampion.json " + reason + "; export it anew with `lampion export`");
}

template <typename Value> Value get(const json &manifest, const char *key)
{
  if (!manifest.contains(key)) refuse(std::string("has no key ") + key);
  try {
    return manifest[key].get<Value>();
  } catch (const json::exception &) {
    refuse(std::string("has an unusable value for ") + key + ": " + manifest[key].dump());
  }
}

bool are_distinct(std::vector<std::string> names)
{
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

// an optional entry, written by `lampion export` from the training data
std::map<std::string, double> shortest_distance(const json &manifest)
{
  if (!manifest.contains("training") || !manifest["training"].contains("shortest_distance")) return {};
  return get<std::map<std::string, double>>(manifest["training"], "shortest_distance");
}

// an entry of compiled model files only
std::optional<lampion::Compiled> compiled(const json &manifest)
{
  if (!manifest.contains("compiled") || manifest["compiled"].is_null()) return std::nullopt;
  const auto &entry = manifest["compiled"];
  const auto versions = get<json>(manifest, "versions");
  return lampion::Compiled{get<int>(entry, "interface"), get<std::vector<std::string>>(entry, "processor"),
                           get<std::string>(versions, "torch")};
}

void require(bool good, const char *key, const json &manifest)
{
  if (!good) refuse(std::string("has an unusable value for ") + key + ": " + manifest[key].dump());
}
}    // namespace

lampion::Manifest lampion::parse_manifest(const std::string &text)
{
  const auto parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) refuse("is no JSON object");
  const auto format = get<std::string>(parsed, "format");
  if (format != FORMAT) refuse("is of format " + format + ", and this Lampion reads " + FORMAT);

  Manifest manifest{get<double>(parsed, "cutoff"), get<std::vector<std::string>>(parsed, "type_names"),
                    get<int>(parsed, "n_layers"), get<std::string>(parsed, "dtype"),
                    get<std::string>(parsed, "units"), shortest_distance(parsed), compiled(parsed),
                    !parsed.contains("conservative") || get<bool>(parsed, "conservative")};
  require(manifest.cutoff > 0.0, "cutoff", parsed);
  require(!manifest.type_names.empty() && are_distinct(manifest.type_names), "type_names", parsed);
  require(manifest.n_layers >= 1, "n_layers", parsed);
  require(manifest.dtype == "float32" || manifest.dtype == "float64", "dtype", parsed);
  require(manifest.units == "metal" || manifest.units == "lj", "units", parsed);
  return manifest;
}
