// From runs to tables: one function for each kind of study.
#pragma once

#include <vector>

#include "train/data/stats.h"
#include "train/experiment/evidence.h"
#include "train/experiment/result_table.h"

namespace mal {

// Of every data set as a whole.
using AllCounts = std::vector<DatasetCounts>;

// Of a split or of all rows, summed over the data sets, whose views are the same.
ViewCounts sum_of(const AllCounts& counts, const ViewCounts DatasetCounts::*split);

// The tables of a study: one, or one for each primary view.
std::vector<ResultTable> tables_of(const Study& study, Evidence& evidence, const AllCounts& counts);

ResultTable positives_table(const Study& study, const Evidence& evidence, const AllCounts& counts);
ResultTable systems_table(const Study& study, const std::string& primary, Evidence& evidence);
ResultTable user_growth_table(const Study& study, Evidence& evidence);
ResultTable slice_growth_table(const Study& study, Evidence& evidence, const AllCounts& counts);

}  // namespace mal
