// The gradient of the lookup. (row, occurrence) keys of each table are sorted, so that equal rows lie together and
// their sum has one fixed order: no atomics, and every touched row is written once. All tables go through each stage in
// one loop, cut into chunks of some thousand keys, since one table often has most of them.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kChunk = 16384;  // keys of a chunk that is sorted
constexpr std::int64_t kSummed = 2048;  // keys of a chunk that is summed
constexpr int kDigitBits = 11;          // of a row in one pass of the sort, at most
constexpr std::int64_t kDigits = 1 << kDigitBits;

__extension__ using Wide = unsigned __int128;

// One lookup of a table. Its occurrence sample · length + position has its gradient at
// dout + sample · dout_stride + position · position_stride.
struct Source {
  const std::int32_t* lengths;
  const float* dout;
  std::int64_t dout_stride, position_stride, length;
  std::uint64_t inverse;  // ⌊2⁶⁴ / length⌋ + 1: the upper half of occurrence · inverse is occurrence / length below 2³²
  Pooling pooling;
};

// A key is row | lookup | occurrence. Keys are made in rising order of what is below the row, and the sort is stable,
// so it looks at the row alone.
struct Table {
  const TableGradient* gradient;
  const Source* sources;
  int occurrence_bits, row_shift;
  int digit_bits, passes;
  std::uint64_t *keys, *other;  // where they are, and as much space to move them to
  std::int64_t count;
  std::int64_t first_chunk, chunks;

  std::int64_t row(std::int64_t i) const { return static_cast<std::int64_t>(keys[i] >> row_shift); }
  bool begins_row(std::int64_t i) const { return (keys[i] ^ keys[i - 1]) >> row_shift != 0; }  // i > 0
};

// Keys [first, first + count) of a table: how many of each digit they have, then where the next of each digit goes.
struct Chunk {
  std::int64_t table, lookup, first_sample, last_sample, first, count;
  std::uint32_t* digits;
};

// Keys [first, last) of a table, and how many rows begin there, then before there.
struct Range {
  const Table* table;
  std::int64_t first, last, touched;
};

// The lists of a call. They stay with the thread, so that a step allocates nothing once they have grown.
struct Lists {
  std::vector<Source> sources;
  std::vector<Table> tables;
  std::vector<Chunk> chunks;
  std::vector<Chunk*> work;  // chunks of every table that still has a pass to go
  std::vector<Range> ranges;
};

int bits_of(std::int64_t values) {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(values, 1) - 1)));
}

float weight_of(const Source& source, std::int64_t sample) {
  if (source.pooling != Pooling::mean && source.pooling != Pooling::sqrtn) return 1.0F;
  const auto count = static_cast<float>(source.lengths == nullptr ? source.length : source.lengths[sample]);
  return 1.0F / (source.pooling == Pooling::mean ? count : std::sqrt(count));
}

std::uint32_t digit_of(const Table& t, std::uint64_t key, int pass) {
  const std::uint64_t mask = (std::uint64_t{1} << t.digit_bits) - 1;
  return static_cast<std::uint32_t>(key >> (t.row_shift + pass * t.digit_bits) & mask);
}

void count_digits(const Table& t, const Chunk& chunk, int pass) {
  std::fill_n(chunk.digits, std::int64_t{1} << t.digit_bits, 0U);
  const std::uint64_t* keys = t.keys + chunk.first;
  for (std::int64_t i = 0; i < chunk.count; ++i) ++chunk.digits[digit_of(t, keys[i], pass)];
}

// The keys of a chunk's samples, from where they would lie if every position were valid.
void collect(const Table& t, Chunk& chunk) {
  const LookupGradient& lookup = t.gradient->lookups[chunk.lookup];
  const std::int64_t length = lookup.length;
  const std::uint64_t base = static_cast<std::uint64_t>(chunk.lookup) << t.occurrence_bits;
  std::uint64_t* next = t.keys + chunk.first;
  const auto append = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t at = first; at < last; ++at)
      *next++ = static_cast<std::uint64_t>(lookup.ids[at]) << t.row_shift | (base + static_cast<std::uint64_t>(at));
  };
  if (lookup.lengths == nullptr) {
    append(chunk.first_sample * length, chunk.last_sample * length);
  } else {
    for (std::int64_t r = chunk.first_sample; r < chunk.last_sample; ++r)
      append(r * length, r * length + lookup.lengths[r]);
  }
  chunk.count = next - (t.keys + chunk.first);
}

// From the digits of each chunk to the place of each chunk's first key of a digit: all smaller digits come before, and
// those of the same digit in the chunks before.
void place_digits(const Table& t, Chunk* chunks) {
  std::array<std::uint32_t, kDigits> before;
  const std::int64_t digits = std::int64_t{1} << t.digit_bits;
  std::fill_n(before.begin(), digits, 0U);
  for (std::int64_t c = 0; c < t.chunks; ++c)
    for (std::int64_t d = 0; d < digits; ++d) {
      const std::uint32_t own = chunks[c].digits[d];
      chunks[c].digits[d] = before[static_cast<std::size_t>(d)];
      before[static_cast<std::size_t>(d)] += own;
    }
  std::exclusive_scan(before.begin(), before.begin() + digits, before.begin(), 0U);
  for (std::int64_t c = 0; c < t.chunks; ++c)
    for (std::int64_t d = 0; d < digits; ++d) chunks[c].digits[d] += before[static_cast<std::size_t>(d)];
}

void move_keys(const Table& t, const Chunk& chunk, int pass) {
  const std::uint64_t* keys = t.keys + chunk.first;
  for (std::int64_t i = 0; i < chunk.count; ++i) t.other[chunk.digits[digit_of(t, keys[i], pass)]++] = keys[i];
}

// After a pass the keys lie without gaps: chunks of equal size, never more than before.
void cut_again(Table& t, Chunk* chunks) {
  t.chunks = (t.count + kChunk - 1) / kChunk;
  for (std::int64_t c = 0; c < t.chunks; ++c) {
    chunks[c].first = c * kChunk;
    chunks[c].count = std::min(kChunk, t.count - c * kChunk);
  }
}

void list_work(Lists& lists, int pass) {
  lists.work.clear();
  for (const Table& t : lists.tables)
    for (std::int64_t c = 0; c < t.chunks && pass < t.passes; ++c)
      lists.work.push_back(&lists.chunks[static_cast<std::size_t>(t.first_chunk + c)]);
}

void sort_tables(Lists& lists) {
  std::vector<Table>& tables = lists.tables;
  std::vector<Chunk>& chunks = lists.chunks;
  const std::vector<Chunk*>& work = lists.work;
  const auto table_of = [&](const Chunk& chunk) -> Table& { return tables[static_cast<std::size_t>(chunk.table)]; };
  list_work(lists, 0);
  for (int pass = 0; !work.empty(); list_work(lists, ++pass)) {
    parallel_blocks(std::ssize(work), [&](std::int64_t at) {
      Chunk& chunk = *work[static_cast<std::size_t>(at)];
      if (pass == 0) collect(table_of(chunk), chunk);
      count_digits(table_of(chunk), chunk, pass);
    });
    parallel_blocks(std::ssize(tables), [&](std::int64_t at) {
      Table& t = tables[static_cast<std::size_t>(at)];
      if (pass < t.passes) place_digits(t, chunks.data() + t.first_chunk);
    });
    parallel_blocks(std::ssize(work), [&](std::int64_t at) {
      const Chunk& chunk = *work[static_cast<std::size_t>(at)];
      move_keys(table_of(chunk), chunk, pass);
    });
    for (Table& t : tables) {
      if (pass >= t.passes) continue;
      std::swap(t.keys, t.other);
      Chunk* const own = chunks.data() + t.first_chunk;
      if (pass == 0)
        t.count = std::accumulate(own, own + t.chunks, std::int64_t{0},
                                  [](std::int64_t sum, const Chunk& c) { return sum + c.count; });
      cut_again(t, own);
    }
  }
}

// Gradients of the next keys, asked for from memory some keys before they are added: their order is random.
class Terms {
 public:
  Terms(const Table& t, std::int64_t first, std::int64_t count) : t_(t), next_(first), count_(count) {
    while (next_ < std::min(first + kAhead, count_)) decode();
  }
  struct Term {
    const float* gradient;
    float weight;
  };
  // That of key i; called for every key in turn.
  Term take(std::int64_t i) {
    const Term term = ring_[static_cast<std::size_t>(i % kAhead)];
    if (next_ < count_) decode();
    return term;
  }

 private:
  static constexpr std::int64_t kAhead = 16;

  void decode() {
    const std::uint64_t occurrence_mask = (std::uint64_t{1} << t_.occurrence_bits) - 1;
    const std::uint64_t low = t_.keys[next_] & ((std::uint64_t{1} << t_.row_shift) - 1);
    const Source& source = t_.sources[low >> t_.occurrence_bits];
    const auto occurrence = static_cast<std::int64_t>(low & occurrence_mask);
    const auto sample = static_cast<std::int64_t>((static_cast<Wide>(low & occurrence_mask) * source.inverse) >> 64);
    const float* gradient =
        source.dout + sample * source.dout_stride + (occurrence - sample * source.length) * source.position_stride;
    __builtin_prefetch(gradient);
    ring_[static_cast<std::size_t>(next_++ % kAhead)] = {gradient, weight_of(source, sample)};
  }

  const Table& t_;
  std::int64_t next_, count_;
  std::array<Term, kAhead> ring_;
};

// out = Σ weight · gradient over the keys of one row from i; returns the first key of the next row.
std::int64_t sum_row(const Table& t, Terms& terms, std::int64_t i, float* out) {
  const std::int32_t width = t.gradient->width;
  std::fill_n(out, width, 0.0F);
  do {
    const auto [gradient, weight] = terms.take(i);
    for (std::int32_t c = 0; c < width; ++c) out[c] += weight * gradient[c];
  } while (++i < t.count && !t.begins_row(i));
  return i;
}

// The same with the sum in registers, for a width of kVectors vectors.
template <typename Vector, int kVectors>
std::int64_t sum_row_of(const Table& t, Terms& terms, std::int64_t i, float* out) {
  Vector sums[kVectors] = {};
  do {
    const auto [gradient, weight] = terms.take(i);
    for (int v = 0; v < kVectors; ++v) {
      Vector x;
      __builtin_memcpy(&x, gradient + v * static_cast<std::int64_t>(sizeof(Vector) / sizeof(float)), sizeof(Vector));
      sums[v] += weight * x;
    }
  } while (++i < t.count && !t.begins_row(i));
  __builtin_memcpy(out, sums, sizeof(sums));
  return i;
}

using SumRow = std::int64_t (*)(const Table&, Terms&, std::int64_t, float*);
SumRow sum_row_for(std::int32_t width) {
  using Vector8 = float __attribute__((vector_size(32)));
  using Vector16 = float __attribute__((vector_size(64)));
  if (width == 8) return sum_row_of<Vector8, 1>;
  if (width == 16) return sum_row_of<Vector16, 1>;
  if (width == 32) return sum_row_of<Vector16, 2>;
  if (width == 64) return sum_row_of<Vector16, 4>;
  return sum_row;
}

// The rows that begin in keys [first, last), the `touched`-th of the table and those after it.
void sum_rows(const Table& t, std::int64_t first, std::int64_t last, std::int64_t touched) {
  while (first < last && first > 0 && !t.begins_row(first)) ++first;
  const SumRow sum = sum_row_for(t.gradient->width);
  Terms terms(t, first, t.count);
  while (first < last) {
    t.gradient->rows[touched] = static_cast<std::int32_t>(t.row(first));
    first = sum(t, terms, first, t.gradient->values + touched++ * t.gradient->width);
  }
}

void sum_tables(Lists& lists) {
  const std::vector<Table>& tables = lists.tables;
  std::vector<Range>& ranges = lists.ranges;
  ranges.clear();
  for (const Table& t : tables)
    for (std::int64_t first = 0; first < t.count; first += kSummed)
      ranges.push_back({&t, first, std::min(t.count, first + kSummed), 0});
  parallel_blocks(std::ssize(ranges), [&](std::int64_t at) {
    Range& range = ranges[static_cast<std::size_t>(at)];
    std::int64_t begun = range.first == 0 ? 1 : 0;
    for (std::int64_t i = std::max<std::int64_t>(range.first, 1); i < range.last; ++i)
      begun += range.table->begins_row(i) ? 1 : 0;
    range.touched = begun;
  });
  for (const Table& t : tables) *t.gradient->count = 0;
  for (Range& range : ranges) {
    const std::int64_t before = *range.table->gradient->count;
    *range.table->gradient->count += range.touched;
    range.touched = before;
  }
  parallel_blocks(std::ssize(ranges), [&](std::int64_t at) {
    const Range& range = ranges[static_cast<std::size_t>(at)];
    sum_rows(*range.table, range.first, range.last, range.touched);
  });
}

// A chunk is of one lookup: some samples of it.
void cut_samples(Lists& lists, std::int64_t rows, std::uint32_t* digits) {
  std::vector<Table>& tables = lists.tables;
  std::vector<Chunk>& chunks = lists.chunks;
  chunks.clear();
  for (std::size_t at = 0; at < tables.size(); ++at) {
    Table& t = tables[at];
    t.first_chunk = std::ssize(chunks);
    std::int64_t base = 0;
    for (std::int32_t l = 0; l < t.gradient->lookup_count; ++l) {
      const std::int64_t length = t.gradient->lookups[l].length, samples = std::max<std::int64_t>(kChunk / length, 1);
      for (std::int64_t r = 0; r < rows; r += samples)
        chunks.push_back({static_cast<std::int64_t>(at), l, r, std::min(rows, r + samples), base + r * length, 0,
                          digits + std::ssize(chunks) * kDigits});
      base += rows * length;
    }
    while (std::ssize(chunks) - t.first_chunk < (base + kChunk - 1) / kChunk)  // what cut_again() may need
      chunks.push_back({static_cast<std::int64_t>(at), 0, 0, 0, base, 0, digits + std::ssize(chunks) * kDigits});
    t.chunks = std::ssize(chunks) - t.first_chunk;
  }
}

void list_sources(const TableGradient* tables, std::int32_t count, std::vector<Source>& sources) {
  sources.clear();
  for (std::int32_t t = 0; t < count; ++t)
    for (std::int32_t l = 0; l < tables[t].lookup_count; ++l) {
      const LookupGradient& lookup = tables[t].lookups[l];
      if (lookup.length ==
          1) {  // one sample with as many positions: its inverse, 2⁶⁴, would be none; every weight is 1
        sources.push_back({nullptr, lookup.dout, 0, lookup.dout_stride, 1, 0, Pooling::sum});
        continue;
      }
      const std::uint64_t inverse = ~std::uint64_t{0} / static_cast<std::uint64_t>(lookup.length) + 1;
      sources.push_back({lookup.lengths, lookup.dout, lookup.dout_stride,
                         lookup.pooling == Pooling::none ? tables[t].width : 0, lookup.length, inverse,
                         lookup.pooling});
    }
}

void list_tables(const TableGradient* tables, std::int32_t count, std::int64_t rows, std::uint64_t* space,
                 Lists& lists) {
  const Source* sources = lists.sources.data();
  lists.tables.clear();
  for (std::int32_t at = 0; at < count; ++at) {
    const TableGradient& gradient = tables[at];
    std::int64_t capacity = 0, most = 0;
    for (std::int32_t l = 0; l < gradient.lookup_count; ++l) {
      capacity += rows * gradient.lookups[l].length;
      most = std::max(most, rows * gradient.lookups[l].length);
    }
    const int occurrence_bits = bits_of(most), bits = std::max(bits_of(gradient.table_rows), 1);
    const int passes = (bits + kDigitBits - 1) / kDigitBits;
    lists.tables.push_back({&gradient, sources, occurrence_bits, occurrence_bits + bits_of(gradient.lookup_count),
                            (bits + passes - 1) / passes, passes, space, space + capacity, capacity, 0, 0});
    sources += gradient.lookup_count;
    space += 2 * capacity;
  }
}

// Chunks of all tables, cut by samples or by keys: a sample of more than half a chunk has one for itself.
std::int64_t most_chunks(std::int32_t lookups, std::int64_t capacity) {
  return lookups + 2 * capacity / kChunk;
}

}  // namespace

void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  static thread_local Lists lists;
  auto* const space = static_cast<std::uint64_t*>(workspace);
  list_sources(tables, count, lists.sources);
  list_tables(tables, count, rows, space, lists);
  std::int64_t capacity = 0;
  for (const Table& t : lists.tables) capacity += t.count;
  cut_samples(lists, rows, reinterpret_cast<std::uint32_t*>(space + 2 * capacity));
  sort_tables(lists);
  sum_tables(lists);
}

std::int64_t embedding_backward_workspace(std::int32_t, std::int32_t lookups, std::int64_t capacity, std::int32_t) {
  return 2 * capacity * static_cast<std::int64_t>(sizeof(std::uint64_t)) +
         most_chunks(lookups, capacity) * kDigits * static_cast<std::int64_t>(sizeof(std::uint32_t));
}

}  // namespace mal::kernels
