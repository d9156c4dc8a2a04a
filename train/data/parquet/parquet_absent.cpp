// A build without Apache Arrow: Parquet files are recognised, and refused.
#include <utility>

#include "engine/error.h"
#include "train/data/parquet/export_parquet.h"
#include "train/data/parquet/parquet_file.h"
#include "train/data/parquet/parquet_samples.h"

namespace mal {

struct ParquetFile::State {};
struct ParquetColumn::State {};

static constexpr const char* kHowTo = "run scripts/setup.sh (or install Apache Arrow C++), then build again";

[[noreturn]] static void refuse(const std::string& path) {
  fail("{}: it is Parquet, and this build reads text alone; {}", path, kHowTo);
}

ParquetFile::ParquetFile(std::string path) : path_(std::move(path)) {
  refuse(path_);
}
std::int64_t ParquetFile::rows() const {
  return 0;
}
std::vector<std::string> ParquetFile::column_names() const {
  return {};
}
std::uint64_t ParquetFile::bytes(const std::string&) const {
  return 0;
}

ParquetColumn::ParquetColumn(const ParquetFile& file, const std::string&) {
  refuse(file.path());
}
ParquetColumn::~ParquetColumn() = default;
ParquetColumn::ParquetColumn(ParquetColumn&&) noexcept = default;
bool ParquetColumn::next(SourceBlock&) {
  return false;
}

std::int64_t export_parquet(const std::string&, Split, const std::string& output) {
  fail("{}: this build cannot write Parquet; {}", output, kHowTo);
}

}  // namespace mal
