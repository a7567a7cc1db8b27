// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_options.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace {

struct Keyword {
  const char *name;
  std::string lampion::Options::*value;
  std::vector<std::string> choices;
};

const std::vector<Keyword> KEYWORDS = {
    {"exchange", &lampion::Options::exchange, {"auto", "layer", "ghost"}},
    {"precision", &lampion::Options::precision, {"model", "float32", "float64"}},
    {"device", &lampion::Options::device, {"cpu", "cuda", "cuda:N"}},
    {"distance", &lampion::Options::distance, {"count", "stop", "off"}},
};

std::string joined(const std::vector<std::string> &words)
{
  std::string text;
  for (const auto &word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

[[noreturn]] void unknown_keyword(const std::string &word)
{
  std::vector<std::string> names;
  for (const auto &keyword : KEYWORDS) names.push_back(keyword.name);
  throw std::runtime_error("pair_style lampion has no keyword '" + word + "'; its keywords are " + joined(names) +
                           " (the model file belongs to pair_coeff: pair_coeff * * model.pt Ar)");
}

bool is_numbered_cuda(const std::string &word)
{
  const std::string digits = word.rfind("cuda:", 0) == 0 ? word.substr(5) : "";
  return !digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos;
}

bool allows(const Keyword &keyword, const std::string &value)
{
  const bool listed = std::count(keyword.choices.begin(), keyword.choices.end(), value) > 0;
  if (keyword.value != &lampion::Options::device) return listed;
  return (listed && value != "cuda:N") || is_numbered_cuda(value);
}
}    // namespace

lampion::Options lampion::parse_options(int narg, const char *const *arg)
{
  Options options;
  for (int k = 0; k < narg; k += 2) {
    const std::string name = arg[k];
    const auto keyword = std::find_if(KEYWORDS.begin(), KEYWORDS.end(), [&](const auto &k) { return k.name == name; });
    if (keyword == KEYWORDS.end()) unknown_keyword(name);
    const std::string choices = joined(keyword->choices);
    if (k + 1 == narg)
      throw std::runtime_error("pair_style lampion: keyword " + name + " needs a value: one of " + choices);
    if (!allows(*keyword, arg[k + 1]))
      throw std::runtime_error("pair_style lampion: " + name + " cannot be '" + arg[k + 1] + "'; write one of " +
                               choices);
    options.*(keyword->value) = arg[k + 1];
  }
  return options;
}
