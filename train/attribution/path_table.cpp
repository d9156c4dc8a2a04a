#include "train/attribution/path_table.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "engine/error.h"
#include "train/attribution/click_log.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/separators.h"
#include "train/data/missing_names.h"

namespace mal {

namespace {

constexpr std::uint64_t kMaxJourneys = std::uint64_t{1} << 53;  // a double holds every whole number up to here
constexpr double kMaxValue = 1e18;                              // in all: ExactSum holds more of no term

// Where the columns are in the open file.
struct PathColumns {
  int path, conversions;
  std::optional<int> value, nulls;
};

class PathReader {
 public:
  explicit PathReader(const AttributeOptions& options)
      : options_(options), missing_(options.na), separators_(options.path_separator) {}

  void read(const std::string& path, const ReadProgress& progress) {
    TextTable table(
        path, {.delimiter = options_.delimiter, .columns = options_.columns, .folder = options_.folders.of(path)});
    open(table);
    while (table.next()) {
      if (time_to_report(++result_.rows)) progress(table);
      read_row(table);
    }
  }

  PathTable finish() {
    if (result_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (result_.conversions == 0)
      fail("{}: no path converts, so there is nothing to share out ({} paths without conversion)",
           file_list(options_.inputs), result_.nulls);
    result_.value = value_.value();
    result_.other_separator = separators_.other();
    sort_by_name();
    return std::move(result_);
  }

 private:
  struct Sums {
    std::vector<std::uint32_t> channels;
    std::uint64_t conversions = 0, nulls = 0;
    ExactSum value;
  };

  void open(const TextTable& table) {
    result_.notes.add(table);
    columns_.path = table.require(name_or(options_.path, "path"), "--path");
    columns_.conversions = table.require(name_or(options_.conversion, "total_conversions"), "--conversion");
    const auto optional = [&](const std::string& given, const char* usual, const char* option) -> std::optional<int> {
      return given.empty() ? table.find(usual) : table.require(given, option);
    };
    columns_.value = options_.value && options_.value->empty()
                         ? std::nullopt
                         : optional(options_.value.value_or(""), "total_conversion_value", "--value");
    columns_.nulls = optional(options_.nulls, "total_null", "--null");
    check_same_as_before(table, columns_.value.has_value(), result_.has_value, "value of conversions");
    check_same_as_before(table, columns_.nulls.has_value(), result_.has_nulls, "number of paths without conversion");
    first_ = false;
  }

  // A column that one file has and another has not would be half a sum.
  void check_same_as_before(const TextTable& table, bool here, bool& before, std::string_view what) const {
    if (first_) before = here;
    if (here == before) return;
    fail("{}:1: the {} is in {}, and not in {}; name the column by its option, or drop it from both", table.path(),
         what, here ? "this file" : options_.inputs.front(), here ? options_.inputs.front() : "this file");
  }

  std::uint64_t count(const TextTable& table, int column) const {
    const double number = table.number(column);
    if (number < 0) fail("{}: {} is negative; a number of journeys belongs there", table.where(column), number);
    if (number != std::floor(number))
      fail(
          "{}: {} is not whole; a number of journeys belongs there (ChannelAttribution would take it for {}; if paths "
          "have weights, multiply them all)",
          table.where(column), number, std::floor(number));
    if (number >= static_cast<double>(kMaxJourneys))
      fail("{}: {} journeys are more than can be counted (2^53)", table.where(column), number);
    return static_cast<std::uint64_t>(number);
  }

  double value(const TextTable& table, int column, std::uint64_t conversions) const {
    if (conversions == 0 && table.field(column).empty()) return 0;
    const double number = table.number(column);
    if (number < 0)
      fail("{}: {} is negative; the value of conversions belongs there (leave refunds out)", table.where(column),
           number);
    if (number > 0 && conversions == 0)
      fail("{}: {} is the value of conversions, and the row has none; correct {}", table.where(column), number,
           table.columns()[static_cast<std::size_t>(columns_.conversions)]);
    return number;
  }

  void read_row(const TextTable& table) {
    const std::uint64_t conversions = count(table, columns_.conversions);
    const std::uint64_t nulls = columns_.nulls ? count(table, *columns_.nulls) : 0;
    const double worth = columns_.value ? value(table, *columns_.value, conversions) : 0;
    read_channels(table);
    if (conversions + nulls == 0) {
      ++result_.idle_rows;
      return;
    }
    if (conversions + nulls >= (kMaxJourneys - touches_) / scratch_.size())
      fail("{}: up to here the journeys have more touches than can be counted (2^53)",
           table.where(columns_.conversions));
    touches_ += (conversions + nulls) * scratch_.size();
    value_so_far_ += worth;
    if (columns_.value && value_so_far_ > kMaxValue)
      fail(
          "{}: up to here the values sum to more than 1e18; is this the right column for --value? If it is, give them "
          "in a larger unit",
          table.where(*columns_.value));
    Sums& sums = sums_of_scratch();
    sums.conversions += conversions;
    sums.nulls += nulls;
    sums.value.add(worth);
    value_.add(worth);
    result_.conversions += conversions;
    result_.nulls += nulls;
  }

  void read_channels(const TextTable& table) {
    const std::string_view path = table.field(columns_.path);
    if (!path.empty() && missing_.has(path))
      fail("{}: '{}' says that there is no path; drop the row (if it is a channel: --na lists what is missing)",
           table.where(columns_.path), path);
    table.check_utf8(columns_.path);
    separators_.look_at(path);
    scratch_.clear();
    std::uint64_t empty = 0;
    split_path(path, options_.path_separator, [&](std::string_view channel) {
      if (channel.empty())
        ++empty;
      else
        scratch_.push_back(channels_.intern(channel));
    });
    if (scratch_.empty())
      fail("{}: the path is empty; a path names its channels, such as search{}email; drop the row",
           table.where(columns_.path), options_.path_separator);
    result_.empty_places += empty;
  }

  Sums& sums_of_scratch() {
    const std::uint64_t hash = XXH3_64bits(scratch_.data(), scratch_.size() * sizeof scratch_.front());
    const auto [begin, end] = places_.equal_range(hash);
    for (auto place = begin; place != end; ++place)
      if (sums_[place->second].channels == scratch_) return sums_[place->second];
    places_.emplace(hash, sums_.size());
    sums_.emplace_back().channels = scratch_;
    return sums_.back();
  }

  void sort_by_name() {
    // Channels of rows without a journey are none.
    std::vector<bool> met(channels_.size(), false);
    for (const Sums& sums : sums_)
      for (const std::uint32_t channel : sums.channels) met[channel] = true;
    std::vector<std::uint32_t> by_name;
    for (std::uint32_t c = 0; c < channels_.size(); ++c)
      if (met[c]) by_name.push_back(c);
    std::ranges::sort(by_name, {}, [&](std::uint32_t c) -> const std::string& { return channels_.name(c); });
    std::vector<std::uint32_t> number(channels_.size());
    for (std::uint32_t n = 0; n < by_name.size(); ++n) {
      number[by_name[n]] = n;
      result_.channels.push_back(channels_.name(by_name[n]));
    }
    for (Sums& sums : sums_) {
      for (std::uint32_t& channel : sums.channels) channel = number[channel];
      result_.paths.push_back({std::move(sums.channels), sums.conversions, sums.nulls, sums.value.value()});
    }
    std::ranges::sort(result_.paths, {}, &PathTable::Path::channels);
  }

  const AttributeOptions& options_;
  MissingNames missing_;
  Separators separators_;
  PathColumns columns_ = {};
  bool first_ = true;
  PathTable result_;
  ExactSum value_;
  double value_so_far_ = 0;    // about value_
  std::uint64_t touches_ = 0;  // of all journeys
  Interner channels_;
  std::vector<Sums> sums_;
  std::unordered_multimap<std::uint64_t, std::size_t> places_;  // in sums_, by the hash of the channels
  std::vector<std::uint32_t> scratch_;
};

}  // namespace

PathTable read_paths(const AttributeOptions& options, const ReadProgress& progress) {
  PathReader reader(options);
  for (const std::string& path : options.inputs) reader.read(path, progress);
  return reader.finish();
}

}  // namespace mal
