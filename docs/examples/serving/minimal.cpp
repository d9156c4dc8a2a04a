// Prints the probability of one ad for one user.
//   g++ -std=c++17 -O2 -I. minimal.cpp -o minimal
//   ./minimal model.mal                      lists the columns that the model reads
//   ./minimal model.mal user=u17 ad_item=4   a value a column; lists with '|' between their items
#include <cstdio>
#include <string_view>

#include "mal_infer.h"

namespace infer = mal::infer;

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: minimal MODEL [COLUMN=VALUE]...\n"), 2;
  try {
    const infer::Model model = infer::Model::load(argv[1]);
    if (argc == 2) {
      const char* const kinds[] = {"id", "ids", "sequence", "scores", "number"};
      for (const infer::ColumnInfo& column : model.columns())
        std::printf("%s (%s)\n", column.name.c_str(), kinds[static_cast<int>(column.kind)]);
      return 0;
    }
    infer::Features row = model.features();
    for (int i = 2; i < argc; ++i) {
      const std::string_view argument = argv[i];
      const std::size_t equals = argument.find('=');
      if (equals == std::string_view::npos) return std::fprintf(stderr, "minimal: no '=' in %s\n", argv[i]), 2;
      row.set(argument.substr(0, equals), argument.substr(equals + 1));
    }
    infer::Scorer scorer = model.scorer();
    std::printf("%s %.9g\n", model.primary().c_str(), static_cast<double>(scorer.predict(row)));
    if (row.counts().unseen > 0)
      std::printf("%llu values were not in the training data\n", static_cast<unsigned long long>(row.counts().unseen));
  } catch (const infer::Error& error) {
    return std::fprintf(stderr, "minimal: %s\n", error.what()), 1;
  }
  return 0;
}
