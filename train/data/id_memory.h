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
  std::int64_t seen = 0;    // on the train files of every data set of the chain, since it was last forgotten
  std::int64_t absent = 0;  // so many data sets in a row did not have it in their train files
};

struct IdMemory {
  std::vector<RememberedId> rows;     // rows 1, 2, … of the table
  std::vector<RememberedId> waiting;  // seen less than min_count times, by their text
};

// Numbers the ids of a table from what the base remembered and what was counted since: ids that have been absent for
// `evict` data sets are forgotten, the rows of those that stay close up, and ids that were seen min_count times by now
// follow, the most frequent first. `counted` becomes the numbered vocabulary.
IdMemory renumber(Vocabulary& counted, const IdMemory& base, const TableSpec& table);

// Of a base without a memory: every id has its row, and was never absent.
IdMemory memory_of(const Vocabulary& vocabulary);

void write_memory(const std::string& path, const IdMemory& memory);
IdMemory read_memory(const std::string& path);  // Error for what write_memory did not write

}  // namespace mal
