// The input layouts, each read into a ClickTarget. docs/attribution.md describes them for users.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_target.h"
#include "train/attribution/row_spool.h"
#include "train/data/text_table.h"

namespace mal {

// Called now and then while a file is read.
using ReadProgress = std::function<void(const TextTable& table)>;
ReadProgress reading_progress(bool shown);  // a line a file for people; nothing where it is not shown

// Reads options.inputs (and options.conversions) by options.format. Returns the names of the columns in the spool.
// Errors name file:line:column; input without any click is one.
// log: gets the names of channels and slices, and the counts of rows. target: gets clicks and conversions.
std::vector<std::string> read_clicks(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                     RowSpool& spool, const ReadProgress& progress);

// Throws a usage Error for options that do not go together.
void check_layout_options(const AttributeOptions& options);

inline constexpr const char* kCsvKey = "advertiser";  // the key of --format csv unless told

// The layouts. Each opens every input, adds its clicks and conversions to the target and finishes that.
std::vector<std::string> read_csv(const AttributeOptions& options, ClickLog& log, ClickTarget& target, RowSpool& spool,
                                  const ReadProgress& progress);
std::vector<std::string> read_criteo(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                     RowSpool& spool, const ReadProgress& progress);
std::vector<std::string> read_journeys(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                       RowSpool& spool, const ReadProgress& progress);

// What a conversion and its clicks share, beside the user: the column of the key, or what the rows name.
std::string matching_name(const AttributeOptions& options);
// `given`, or the layout's own name where the user gave none.
// How an input is read.
TextTableOptions table_options(const AttributeOptions& options, const std::string& path);

std::string name_or(const std::string& given, const char* layout_default);
// True on the first row and then every 64 Ki rows.
bool time_to_report(std::uint64_t rows);
// "a.csv" or "a.csv and 2 more"
std::string file_list(const std::vector<std::string>& files);

}  // namespace mal
