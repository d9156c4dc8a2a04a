// A build without Apache Arrow: Parquet files are recognised, and refused.
#include "engine/error.h"
#include "train/data/parquet/export_parquet.h"
#include "train/data/parquet/parquet_samples.h"

namespace mal {

struct ParquetSamples::State {};

static constexpr const char* kHowTo = "run scripts/setup.sh (or install Apache Arrow C++), then build again";

[[noreturn]] static void refuse(const std::string& path) {
  fail("{}: it is Parquet, and this build reads text alone; {}", path, kHowTo);
}

ParquetSamples::ParquetSamples(const std::string& path, const std::vector<std::string>&, int) {
  refuse(path);
}
ParquetSamples::~ParquetSamples() = default;
std::vector<std::string> ParquetSamples::column_names(const std::string& path) {
  refuse(path);
}
bool ParquetSamples::next(SourceBlock&) {
  return false;
}
std::int64_t ParquetSamples::rows() const {
  return 0;
}

std::int64_t export_parquet(const std::string&, Split, const std::string& output) {
  fail("{}: this build cannot write Parquet; {}", output, kHowTo);
}

}  // namespace mal
