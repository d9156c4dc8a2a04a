// libFuzzer target: any bytes as a text table, plain, gzip or zstd. Every field of every row is looked at as text,
// number and integer; what is wrong must be a mal::Error. Built by scripts/fuzz.sh with clang.
#include "engine/error.h"
#include "tests/fuzz/memory_file.h"
#include "train/data/sample_values.h"
#include "train/data/text_table.h"

namespace {

// False where `work` failed.
template <typename Work>
bool succeeds(const Work& work) {
  try {
    work();
  } catch (const mal::Error&) {
    return false;
  }
  return true;
}

void read(mal::TextTable& table) {
  std::vector<std::string_view> items;
  const int columns = static_cast<int>(table.columns().size());
  int refusals = 6;  // the next ones would be the same three throws, and nearly all of the time
  while (table.next())
    for (int c = 0; c < columns; ++c) {
      if (refusals > 0) {
        refusals -= succeeds([&] { static_cast<void>(table.number(c)); }) ? 0 : 1;
        refusals -= succeeds([&] { static_cast<void>(table.integer(c)); }) ? 0 : 1;
        refusals -= succeeds([&] { static_cast<void>(table.time(c)); }) ? 0 : 1;
      }
      mal::split_list(table.field(c), items);
      static_cast<void>(mal::group_key(table.field(c)));
      static_cast<void>(mal::is_utf8(table.field(c)));
      static_cast<void>(mal::time_of_text(table.field(c), {}));
      static_cast<void>(table.unquoted(0, c));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mal::fuzz::MemoryFile file;
  file.set(data, size);
  static_cast<void>(succeeds([&] {
    mal::TextTableOptions options;
    if (size % 2 == 1) options = {.delimiter = '\t', .columns = {"a", "b"}};
    mal::TextTable table(file.path(), options);
    read(table);
  }));
  return 0;
}
