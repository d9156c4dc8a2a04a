// What a data set remembers of the ids of a table with `evict`, for the one that goes on from it (--base): which ids
// have a row, which are still too rare for one, how often each was seen and for how long not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema.h"
#include "train/data/vocabulary.h"

namespace mal {

struct RememberedId {
  std::string value;
  std::int64_t seen = 0;  // on the train files of every data set of the chain, since it was last forgotten
  std::int64_t last = 0;  // what the clock said at the end of the latest of them that had it
};

// The clock counts the data sets of the chain, or is the time of its latest training row: as the table's `evict` does.
struct IdMemory {
  bool by_time = false;
  std::int64_t now = 0;
  std::vector<RememberedId> rows;     // rows 1, 2, … of the table
  std::vector<RememberedId> waiting;  // seen less than min_count times, by their text
};

// Numbers the ids of a table from what the base remembered and what was counted since: ids that have been absent for
// `evict` data sets or seconds are forgotten, the rows of those that stay close up, and ids that were seen min_count
// times by now follow, the most frequent first. `counted` becomes the numbered vocabulary. last_time: of the training
// rows, where the clock needs it. Error if that is before the end of the base, whose clock must be the table's.
IdMemory renumber(Vocabulary& counted, const IdMemory& base, const TableSpec& table, std::int64_t last_time);

// Of a base without a memory: every id has its row, and was seen in the base.
IdMemory memory_of(const Vocabulary& vocabulary);
// Gives the memory another clock, which says `now`: every id was last seen just now.
void set_clock(IdMemory& memory, bool by_time, std::int64_t now);

void write_memory(const std::string& path, const IdMemory& memory);
IdMemory read_memory(const std::string& path);  // Error for what write_memory did not write

}  // namespace mal
