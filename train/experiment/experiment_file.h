// What an experiment is: a data set, seeds, and studies whose rows are configurations. docs/experiments.md describes
// each key of the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/experiment/paper_figures.h"

namespace mal {

struct StudyRow {
  std::string label;
  std::vector<std::string> set;  // "model.type=mal", over the experiment's own
  PaperFigures paper;            // by primary view
};

enum class StudyKind {
  positives,     // positives of each view (Table 1)
  systems,       // rows compared with the first of them, for each primary view (Tables 2, 3, 4)
  user_growth,   // gain by group of users with alike growth of positives (Figure 5)
  slice_growth,  // gain and growth by the values of a slice column, and their correlation (Figure 6, Table 5)
};

// How users are grouped by their growth of positives.
struct UserGrowth {
  bool count = false;          // positives more; else their ratio − 1
  std::int64_t last_days = 0;  // of the training rows; 0: all of them
  std::vector<double> edges;   // upper ends of the groups, the last one is open
};

struct Study {
  std::string id;     // of its files: "table3"
  std::string title;  // of its table
  StudyKind kind = StudyKind::systems;
  std::vector<std::string> primaries;  // all but positives; the growth kinds take one
  std::vector<StudyRow> rows;          // the first is what the others are compared with; the growth kinds take two
  std::string view, against;           // growth: of the positives under view, against those under against
  std::string slice;                   // slice_growth: a slice column
  UserGrowth growth;                   // user_growth
  PaperFigures paper;                  // positives: by view; user_growth: by group; slice_growth: by value
};

struct Experiment {
  std::string file;                   // for messages
  std::vector<std::string> datasets;  // folders of `mal_data prepare`
  std::string output;                 // runs/, tables/, report.md, report.html
  std::string base;                   // configuration of every run before `set`
  std::vector<std::int64_t> seeds;
  std::vector<std::string> set;  // of every run
  std::int64_t resamples = 2000;
  std::int64_t resample_seed = 1;
  std::vector<Study> studies;
};

// Reads the file strictly. overrides: "seeds=[1,2]" as given to --set. Throws Error (exit code 2) with file:line.
Experiment parse_experiment(const std::string& path, const std::vector<std::string>& overrides);

// The configuration of one run of a study on one of the data sets; its output and data path are the experiment's.
// Throws Error that names study and row.
RunConfig run_config_of(const Experiment& experiment, const Study& study, const StudyRow& row,
                        const std::string& primary, std::int64_t seed, std::size_t dataset = 0);

}  // namespace mal
