#include "train/attribution/log_memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <utility>

#include "engine/error.h"
#include "train/attribution/known_log.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

constexpr int kRowsLookedAt = 1000;
constexpr std::uint64_t kBytesAClick = 111;   // of a ClickLog with its users and keys, its order and its journeys
constexpr std::uint64_t kBytesAName = 56;     // of a conversion or a journey that rows name: one a row, at most
constexpr std::uint64_t kBytesACredit = 4;    // a mechanism
constexpr std::uint64_t kBytesAHistory = 12;  // its columns apart
constexpr std::uint64_t kBytesACost = 8;
constexpr std::uint64_t kBytesADelay = 16;  // with the weight and the value of --delay-by
constexpr std::uint64_t kBytesKnown = 32;   // of a KnownLog and its order
constexpr std::uint64_t kCompression = 8;   // gzip, zstd and Parquet: a row on disk is at least this part of its text

std::uint64_t half_of_memory() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) / 2 : 1U << 30;
}

// Of a file, at most: what its first rows are long.
std::uint64_t rows_of(const AttributeOptions& options, const std::string& path) {
  TextTable table(path, {.delimiter = options.delimiter, .columns = options.columns});
  std::uint64_t rows = 0, text = 0;
  while (rows < kRowsLookedAt && table.next()) {
    ++rows;
    for (int c = 0; c < static_cast<int>(table.columns().size()); ++c) text += table.field(c).size() + 1;
  }
  if (rows == 0 || text == 0) return 0;
  const std::uint64_t bytes = table.bytes_total() * (table.compressed() ? kCompression : 1);
  return bytes / std::max<std::uint64_t>(1, text / rows);
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text, std::string_view option) {
  std::uint64_t number = 0, unit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view letters(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, bytes] : {std::pair<std::string_view, std::uint64_t>{"", 1},
                                    {"KiB", 1U << 10},
                                    {"MiB", 1U << 20},
                                    {"GiB", 1U << 30},
                                    {"kB", 1000},
                                    {"MB", 1'000'000},
                                    {"GB", 1'000'000'000}})
    if (letters == name) unit = bytes;
  std::uint64_t bytes = 0;
  if (error != std::errc() || unit == 0 || __builtin_mul_overflow(number, unit, &bytes) || bytes == 0)
    fail_usage("{} {}: not a size; write 64MiB, 2GiB, 500MB or a number of bytes", option, text);
  return bytes;
}

bool kept_on_disk(const AttributeOptions& options) {
  std::uint64_t rows = 0;
  for (const std::string& path : options.inputs) rows += rows_of(options, path);
  const std::uint64_t a_click = kBytesAClick + kBytesACredit * (options.mechanisms.size() + options.history.size()) +
                                (options.history.empty() ? 0 : kBytesAHistory) +
                                (options.cost.empty() ? 0 : kBytesACost) + (options.delay_weights ? kBytesADelay : 0) +
                                (options.format == "csv" ? 0 : kBytesAName) +
                                (wants_open_groups(options) || wants_uncut(options) ? kBytesKnown : 0);
  return rows * a_click > (options.memory != 0 ? options.memory : half_of_memory());
}

}  // namespace mal
