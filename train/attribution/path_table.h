// --format paths: a row a path of channels, with how often it converted, what that was worth, and how often it did not,
// as the packages ChannelAttribution for R and Python read them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/read_clicks.h"
#include "train/attribution/separators.h"
#include "train/data/parse_number.h"
#include "train/data/reading_notes.h"

namespace mal {

// Different paths, and their channels, in the order of their names: the same whatever order rows came in.
struct PathTable {
  struct Path {
    std::vector<std::uint32_t> channels;  // in the order of time, at least one
    std::uint64_t conversions = 0, nulls = 0;
    double value = 0;  // of all these conversions
  };

  std::vector<std::string> channels;
  std::vector<Path> paths;
  bool has_value = false, has_nulls = false;  // the files have such columns
  std::uint64_t rows = 0, conversions = 0, nulls = 0;
  ReadingNotes notes;
  std::uint64_t idle_rows = 0;     // rows of no journey: both counts are 0
  std::uint64_t empty_places = 0;  // of paths such as a > > b, passed over
  std::string other_separator;     // which probably stands between channels; empty: nothing speaks for another
  double value = 0;
};

// Reads options.inputs. Errors name file:row:column; files without a conversion are one.
PathTable read_paths(const AttributeOptions& options, const ReadProgress& progress);

// Calls visit(channel) for each channel of a path: its text between separators, without blanks around it. Empty
// places are visited too.
template <typename Visit>
void split_path(std::string_view path, std::string_view separator, const Visit& visit) {
  const std::string_view core = separator_core(separator);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(core, begin), path.size());
    visit(without_blanks(path.substr(begin, end - begin)));
    begin = end + core.size();
  }
}

}  // namespace mal
