// A study's outcome, before it is Markdown, JSON or a page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/experiment/evidence.h"
#include "train/experiment/power.h"

namespace mal {

struct ResultTable {
  std::string id;  // of its files
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;     // lines below the table
  std::vector<std::string> warnings;  // what a reader may take for an answer and is none
  std::vector<std::string> pictures;  // SVG
  nlohmann::ordered_json json;        // the same numbers with all their digits
};

// What the studies' tables have in common.
std::string number_text(double value, int digits);                     // "0.7314", "n/a" where it is not defined
std::string spread_text(const Spread& spread, int digits);             // "0.7314 ± 0.0012", "0.7314" of one seed
std::string difference_text(const Difference& difference);             // "+0.65 [-0.10, +1.41]"
std::string change_text(double model, double base);                    // "+0.51 %" of the base
nlohmann::ordered_json spread_json(const Spread& spread);              // mean, deviation, seeds or data sets
nlohmann::ordered_json difference_json(const Difference& difference);  // with its interval and what it could have seen
std::string test_note(const Evidence& evidence, const ModelResult& base);  // rows, positives, users
std::string interval_note(const Evidence& evidence);
// Adds a note of what the rows could have seen, and warnings of published gains that they could not.
void add_power(ResultTable& table, const std::vector<Power>& metrics);
// id, title, seeds, resamples, test rows: the beginning of every table's JSON.
nlohmann::ordered_json table_json(const Evidence& evidence, const std::string& id, const std::string& title);

}  // namespace mal
