#include "train/trainer/scores.h"

#include <filesystem>

#include "engine/error.h"
#include "train/data/column_file.h"

namespace mal {

void save_scores(const std::string& run_folder, const std::vector<float>& logits) {
  ColumnWriter writer(run_folder + kScoresFile, ColumnType::float32, 1);
  writer.append(logits.data(), logits.size());
  writer.commit();
}

bool has_scores(const std::string& run_folder, std::int64_t rows) {
  if (!std::filesystem::exists(run_folder + kScoresFile)) return false;
  try {
    return static_cast<std::int64_t>(load_scores(run_folder).size()) == rows;
  } catch (const Error&) {
    return false;
  }
}

std::vector<float> load_scores(const std::string& run_folder) {
  const ColumnReader reader(run_folder + kScoresFile, ColumnType::float32, 1);
  reader.verify();
  return {reader.values<float>(), reader.values<float>() + reader.rows()};
}

}  // namespace mal
