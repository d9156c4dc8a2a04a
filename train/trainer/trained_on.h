// What the weights of a run mean: its data set without the rows, kept as trained_on/ in the run's folder. It says
// whether training can go on with another data set, also when the first one is gone or was replaced by the one that
// grew from it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/checkpoint.h"
#include "train/config/run_config.h"
#include "train/data/dataset.h"

namespace mal {

// A hard link where the file system has them, which takes no room. Data sets and runs replace their files by renaming,
// never change them where they lie: a link keeps what was there.
void link_or_copy(const std::string& from, const std::string& to);

inline constexpr const char* kTrainedOn = "/trained_on";
// The same of the data that the run is about to go on with, until its checkpoint is of them.
inline constexpr const char* kNextTrainedOn = "/trained_on.next";

// Schema, scales and vocabularies of `dataset` into that folder of the run, in place of what was there. Vocabularies
// are hard links where the file system can, so that they take no room.
void keep_trained_on(const std::string& run, const std::string& dataset, const char* folder = kTrainedOn);

// Which of both folders says what the rows of a weights file of the run mean: the one with these vocabularies, as the
// file names them ("": it does not). A run that goes on with other data is killed at any moment, and its files are of
// different data for a while. Error if there is none.
const char* kept_of(const std::string& run, const std::string& file, const std::string& vocabularies);

// How a data set goes on from what a run was trained on.
struct GoesOn {
  TableRows rows;                                   // where the rows of its tables are in the run's weights
  std::string new_ids;                              // how many, for a message: "user 12, item 3", or "none"
  std::map<std::string, std::int64_t> rows_before;  // of its tables with a vocabulary
};

// Error unless `dataset` goes on from what `run` was trained on, as that folder of it (kept_of) says: the same columns,
// scales and numbers of ids; with Vocab::grow there may be new ids after the old ones, and in tables with `evict` ids
// that lost their rows. The message names the column and the first value that differs.
GoesOn check_goes_on(const std::string& run, const Dataset& dataset, Vocab vocab, const char* folder = kTrainedOn);

// To predict with these weights, untrained on the new data: an id that the run did not know has the row of unseen ids.
TableRows new_ids_unseen(const GoesOn& how, const Schema& schema);

// Identifies a data set: its vocabularies (vocabulary_fingerprint), rows and statistics.
std::string data_identity(const Dataset& dataset, const std::string& vocabularies);

}  // namespace mal
