// From runs to tables: one function for each kind of study.
#pragma once

#include <vector>

#include "train/data/stats.h"
#include "train/experiment/evidence.h"
#include "train/experiment/result_table.h"

namespace mal {

// The tables of a study: one, or one for each primary view. counts: of the whole data set.
std::vector<ResultTable> tables_of(const Study& study, Evidence& evidence, const DatasetCounts& counts);

ResultTable positives_table(const Study& study, const Evidence& evidence, const DatasetCounts& counts);
ResultTable systems_table(const Study& study, const std::string& primary, Evidence& evidence);
ResultTable user_growth_table(const Study& study, Evidence& evidence);
ResultTable slice_growth_table(const Study& study, Evidence& evidence, const DatasetCounts& counts);

}  // namespace mal
