// The logits of a run's test rows, kept in its folder so that runs can be compared row by row and user by user.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mal {

inline constexpr const char* kScoresFile = "/scores.bin";

// Written whole or not at all; labels and groups are the data set's.
void save_scores(const std::string& run_folder, const std::vector<float>& logits);

// Whether the folder holds undamaged scores of `rows` rows.
bool has_scores(const std::string& run_folder, std::int64_t rows);

std::vector<float> load_scores(const std::string& run_folder);  // throws Error that names the file

}  // namespace mal
