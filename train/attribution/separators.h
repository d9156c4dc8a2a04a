// Whether something else than --path-separator stands between the channels of paths: then a path would be one channel.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mal {

// What of a separator counts: not the blanks around it, unless it has nothing else.
std::string_view separator_core(std::string_view separator);

class Separators {
 public:
  explicit Separators(const std::string& given);
  void look_at(std::string_view path);
  // The one that probably separates, of those usual: no path has the one given, and paths have this; or all places
  // that the given one divides show that it is the end of this (-> and >). Empty: nothing speaks for another.
  std::string other() const;

 private:
  static constexpr std::array<std::string_view, 11> kUsual = {"->", "=>", ">>", "→", "»", ">",
                                                              "|",  ";",  ",",  "/", "\t"};

  std::string given_;  // without blanks around it
  std::uint64_t divided_ = 0;
  std::array<std::uint64_t, kUsual.size()> with_ = {};  // paths with each, where none had the given one so far
  std::array<bool, kUsual.size()> longer_ = {};         // all paths with the given one have it as a part of this
};

}  // namespace mal
