#include <map>
#include <memory>

#include "tests/kernels/kernel_test.h"

namespace mal::test::embedding {

using kernels::Pooling;

const Covers kCovers(&KernelTable::embedding_forward, &KernelTable::embedding_backward,
                     &KernelTable::embedding_backward_workspace);

constexpr Pooling kPoolings[] = {Pooling::none, Pooling::sum, Pooling::mean, Pooling::sqrtn};
constexpr std::int32_t kPadding = 2147483647;  // beyond a row's length; nobody may look it up

// The ids of one feature of a batch.
struct Ids {
  // Lengths cycle through empty, full and between; `sets` off: no lengths, every position is valid.
  Ids(Draw& draw, std::int64_t batch, std::int32_t longest, bool sets, std::int64_t table_rows)
      : rows(batch), length(longest), ids(static_cast<std::size_t>(rows * length), kPadding) {
    for (std::int64_t r = 0; sets && r < rows; ++r)
      lengths.push_back(r % 3 == 0 ? draw.below(length + 1) : r % 3 == 1 ? 0 : length);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int32_t j = 0; j < valid(r); ++j) id(r, j) = draw.below(table_rows);
  }
  std::int32_t valid(std::int64_t r) const { return lengths.empty() ? length : lengths[static_cast<std::size_t>(r)]; }
  std::int32_t& id(std::int64_t r, std::int64_t j) { return ids[static_cast<std::size_t>(r * length + j)]; }
  std::int32_t id(std::int64_t r, std::int64_t j) const { return ids[static_cast<std::size_t>(r * length + j)]; }
  const std::int32_t* lengths_or_null() const { return lengths.empty() ? nullptr : lengths.data(); }
  std::int64_t out_width(Pooling pooling, std::int64_t width) const {
    return pooling == Pooling::none ? length * width : width;
  }

  std::int64_t rows;
  std::int32_t length;
  Vector<std::int32_t> ids, lengths;
};

double weight_of(Pooling pooling, std::int32_t count) {
  switch (pooling) {
    case Pooling::mean:
      return 1.0 / count;
    case Pooling::sqrtn:
      return 1.0 / std::sqrt(static_cast<double>(count));
    default:
      return 1.0;
  }
}

// table: [table rows, width] without gaps.
std::vector<double> slow_lookup(const Ids& ids, Pooling pooling, const std::vector<double>& table, std::int64_t width) {
  const std::int64_t out_width = ids.out_width(pooling, width);
  std::vector<double> out(static_cast<std::size_t>(ids.rows * out_width));
  for (std::int64_t r = 0; r < ids.rows; ++r)
    for (std::int32_t j = 0; j < ids.valid(r); ++j)
      for (std::int64_t c = 0; c < width; ++c)
        out[static_cast<std::size_t>(r * out_width + (pooling == Pooling::none ? j * width : 0) + c)] +=
            weight_of(pooling, ids.valid(r)) * table[static_cast<std::size_t>(ids.id(r, j) * width + c)];
  return out;
}

// Row of the table → its gradient, added to what is there.
using Rows = std::map<std::int32_t, std::vector<double>>;
void slow_gradient(const Ids& ids, Pooling pooling, const Matrix& dout, std::int64_t width, Rows& rows) {
  for (std::int64_t r = 0; r < ids.rows; ++r)
    for (std::int32_t j = 0; j < ids.valid(r); ++j) {
      auto& sum = rows.try_emplace(ids.id(r, j), static_cast<std::size_t>(width)).first->second;
      for (std::int64_t c = 0; c < width; ++c)
        sum[static_cast<std::size_t>(c)] +=
            weight_of(pooling, ids.valid(r)) *
            static_cast<double>(dout.at(r, (pooling == Pooling::none ? j * width : 0) + c));
    }
}

// Several features that read one table, and its gradient.
struct SharedTable {
  SharedTable(Draw& draw, std::int64_t batch, std::int32_t d, std::int64_t row_count)
      : width(d), table_rows(row_count) {
    // Each pooling with sets, a single id, a full sequence.
    for (const Pooling pooling : kPoolings) add(draw, Ids(draw, batch, 5, true, row_count), pooling);
    add(draw, Ids(draw, batch, 1, false, row_count), Pooling::none);
    add(draw, Ids(draw, batch, 7, false, row_count), Pooling::mean);
  }
  SharedTable(std::int32_t d, std::int64_t row_count) : width(d), table_rows(row_count) {}

  void add(Draw& draw, Ids feature, Pooling pooling) {
    // Gaps of every size; rows of 20 begin on 16 bytes.
    const auto gap = static_cast<std::int64_t>(ids.size()) * (width == 20 ? 4 : 1);
    douts.emplace_back(draw, feature.rows, feature.out_width(pooling, width), gap);
    ids.push_back(std::move(feature));
    poolings.push_back(pooling);
  }
  kernels::TableGradient gradient() {
    std::int64_t capacity = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      lookups.push_back({ids[i].ids.data(), ids[i].lengths_or_null(), ids[i].length, poolings[i], douts[i].data(),
                         douts[i].stride()});
      capacity += ids[i].rows * ids[i].length;
    }
    rows.assign(static_cast<std::size_t>(capacity), -1);
    values = Matrix(capacity, width);
    return {lookups.data(), static_cast<std::int32_t>(lookups.size()), width, table_rows, rows.data(), values.data(),
            count.data()};
  }
  Rows slow() const {
    Rows result;
    for (std::size_t i = 0; i < ids.size(); ++i) slow_gradient(ids[i], poolings[i], douts[i], width, result);
    return result;
  }

  std::int32_t width;
  std::int64_t table_rows;
  std::vector<Ids> ids;
  std::vector<Pooling> poolings;
  std::vector<Matrix> douts;
  std::vector<kernels::LookupGradient> lookups;
  Vector<std::int32_t> rows;
  Matrix values{0, 1};
  Vector<std::int64_t> count{-1};  // out
};

void run_backward(const KernelTable& kernels, const std::vector<kernels::TableGradient>& tables, std::int64_t rows) {
  std::int64_t capacity = 0;
  std::int32_t lookups = 0, width = 0;
  for (const kernels::TableGradient& table : tables) {
    width = std::max(width, table.width);
    lookups += table.lookup_count;
    for (std::int32_t l = 0; l < table.lookup_count; ++l) capacity += rows * table.lookups[l].length;
  }
  const auto count = static_cast<std::int32_t>(tables.size());
  const std::int64_t bytes = kernels.embedding_backward_workspace(count, lookups, capacity, width);
  Vector<std::max_align_t> workspace(
      static_cast<std::size_t>(bytes + static_cast<std::int64_t>(sizeof(std::max_align_t)) - 1) /
      sizeof(std::max_align_t));
  kernels.embedding_backward(tables.data(), count, rows, workspace.data());
}

// What is wrong with a table's gradient, or nothing. A row has about rows / table_rows occurrences of each feature, or
// `popular`; they are summed in fp32, one after the other.
std::string table_mismatch(const SharedTable& table, double popular = 0) {
  const Rows want = table.slow();
  const double tolerance =
      3e-6 + 3e-7 * std::max(popular, static_cast<double>(table.ids[0].rows) / static_cast<double>(table.table_rows));
  if (table.count[0] != static_cast<std::int64_t>(want.size()))
    return std::to_string(table.count[0]) + " rows, not " + std::to_string(want.size());
  std::int64_t i = 0;
  for (const auto& [row, sum] : want) {  // in rising order
    if (table.rows[static_cast<std::size_t>(i)] != row) return "row " + std::to_string(i) + " of the result";
    Matrix got(1, table.width);
    std::copy_n(table.values.data() + i * table.width, table.width, got.data());
    if (const std::string text = mismatch(got, sum, tolerance); !text.empty())
      return "table row " + std::to_string(row) + ": " + text;
    ++i;
  }
  return "";
}

TEST_CASE("embedding_forward: every pooling, sets and sequences, slices, several features at once",
          "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {0, 1, 7, 33, 127, 128, 129, 1025})
      for (const std::int32_t width : {1, 7, 8, 16, 20, 32, 33, 64}) {
        Draw draw(31);
        // The gap stands for optimiser state. Rows of 20 begin on 16 bytes, on both sides.
        const Matrix table(draw, 50, width, width == 20 ? 4 : 3);
        std::vector<Ids> ids;
        std::vector<Pooling> poolings;
        std::vector<Matrix> outs;
        for (const std::int32_t length : {1, 7, 33})
          for (const bool sets : {false, true})
            for (const Pooling pooling : kPoolings) {
              ids.emplace_back(draw, rows, length, sets, table.rows());
              poolings.push_back(pooling);
              outs.emplace_back(rows, ids.back().out_width(pooling, width), width == 20 ? 4 : length);
            }
        std::vector<kernels::Lookup> lookups;
        for (std::size_t i = 0; i < ids.size(); ++i)
          lookups.push_back({table.data(), table.stride(), ids[i].ids.data(), ids[i].lengths_or_null(), ids[i].length,
                             width, poolings[i], outs[i].data(), outs[i].stride()});
        kernels.embedding_forward(lookups.data(), static_cast<std::int32_t>(lookups.size()), rows);
        for (std::size_t i = 0; i < ids.size(); ++i) {
          INFO(rows << " rows, width " << width << ", length " << ids[i].length << ", pooling "
                    << static_cast<int>(poolings[i]) << (ids[i].lengths.empty() ? ", full" : ", sets"));
          CHECK(mismatch(outs[i], slow_lookup(ids[i], poolings[i], table.wide(), width), 3e-6) == "");
        }
      }
  });
}

TEST_CASE("embedding_forward of features with different tables and widths", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(32);
    const Matrix wide(draw, 300, 31, 1), narrow(draw, 1, 2, 5);
    const Ids a(draw, 129, 4, true, 300), b(draw, 129, 3, true, 1);
    Matrix out(129, 31 + 3 * 2, 1);  // side by side in one matrix, as the trunk reads them
    const std::vector<kernels::Lookup> lookups = {
        {wide.data(), wide.stride(), a.ids.data(), a.lengths_or_null(), 4, 31, Pooling::mean, out.data(), out.stride()},
        {narrow.data(), narrow.stride(), b.ids.data(), b.lengths_or_null(), 3, 2, Pooling::none, out.data() + 31,
         out.stride()}};
    kernels.embedding_forward(lookups.data(), 2, 129);
    const auto left = slow_lookup(a, Pooling::mean, wide.wide(), 31);
    const auto right = slow_lookup(b, Pooling::none, narrow.wide(), 2);
    std::vector<double> want;
    for (std::ptrdiff_t r = 0; r < 129; ++r) {
      want.insert(want.end(), left.begin() + r * 31, left.begin() + (r + 1) * 31);
      want.insert(want.end(), right.begin() + r * 6, right.begin() + (r + 1) * 6);
    }
    CHECK(mismatch(out, want, 1e-6) == "");
    kernels.embedding_forward(nullptr, 0, 129);
  });
}

TEST_CASE("embedding_backward: touched rows in rising order, each with the sum over its occurrences",
          "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {0, 1, 7, 33, 129, 1025})
      for (const std::int32_t width : {1, 7, 20, 33})
        // Digits of eight bits decide how often ids are sorted; few rows mean many duplicates.
        for (const std::int64_t table_rows :
             {1LL, 2LL, 255LL, 256LL, 257LL, 65536LL, 65537LL, 16777217LL, 2147483647LL}) {
          if (rows > 1000 && (width == 1 || width == 33)) continue;  // what sorts does not know the width
          INFO(rows << " rows, width " << width << ", table of " << table_rows);
          Draw draw(33);
          SharedTable table(draw, rows, width, table_rows);
          const auto gradient = table.gradient();
          run_backward(kernels, {gradient}, rows);
          CHECK(table_mismatch(table) == "");
        }
  });
}

TEST_CASE("embedding_backward of very many occurrences", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(38);
    SharedTable table(1, 70000);
    table.add(draw, Ids(draw, 4700, 30, false, table.table_rows), Pooling::none);
    const auto gradient = table.gradient();
    run_backward(kernels, {gradient}, 4700);
    CHECK(table_mismatch(table) == "");
  });
}

TEST_CASE("embedding_backward of a few very long sequences, alone and beside short ones", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int32_t length : {8192, 8193, 16384, 50001}) {
      INFO("length " << length);
      Draw draw(42);
      SharedTable table(2, 3000);
      table.add(draw, Ids(draw, 3, length, true, table.table_rows), Pooling::none);
      table.add(draw, Ids(draw, 3, 1, true, table.table_rows), Pooling::mean);
      table.add(draw, Ids(draw, 3, length / 2, false, table.table_rows), Pooling::sum);
      const auto gradient = table.gradient();
      run_backward(kernels, {gradient}, 3);
      CHECK(table_mismatch(table, 50) == "");
    }
  });
}

TEST_CASE("embedding_backward of several tables, one of them untouched", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(34);
    std::vector<SharedTable> tables;
    tables.emplace_back(draw, 129, 16, 1000);
    tables.emplace_back(4, 10);
    tables.back().add(draw, Ids(draw, 129, 3, true, 10), Pooling::sum);
    std::ranges::fill(tables.back().ids[0].lengths, 0);
    tables.emplace_back(draw, 129, 1, 3);
    std::vector<kernels::TableGradient> gradients;
    for (SharedTable& table : tables) gradients.push_back(table.gradient());
    run_backward(kernels, gradients, 129);
    CHECK(tables[1].count[0] == 0);
    for (std::size_t t = 0; t < tables.size(); ++t) CHECK(table_mismatch(tables[t]) == "");
    run_backward(kernels, {}, 129);
  });
}

// An occurrence of a row, in the order of feature, sample and position: three floats of its gradient.
struct Occurrence {
  std::int32_t row;
  const float* gradient;
};
std::vector<Occurrence> sorted_occurrences(const SharedTable& table) {
  std::vector<Occurrence> all;
  for (std::size_t i = 0; i < table.ids.size(); ++i)
    for (std::int64_t r = 0; r < table.ids[i].rows; ++r)
      for (std::int32_t j = 0; j < table.ids[i].valid(r); ++j)
        all.push_back({table.ids[i].id(r, j), table.douts[i].data() + r * table.douts[i].stride() + j * table.width});
  std::ranges::stable_sort(all, {}, &Occurrence::row);
  return all;
}

// The gradient of every touched row, added up in pieces that begin at multiples of `pieces` (the smallest first), and
// the pieces of one multiple of the next, and so on.
Matrix sum_in_pieces(const SharedTable& table, const std::vector<std::size_t>& pieces) {
  const std::vector<Occurrence> all = sorted_occurrences(table);
  Matrix sums(table.count[0], table.width);
  std::int64_t at = -1;
  for (std::int64_t c = 0; c < table.width; ++c, at = -1)
    for (std::size_t first = 0, end = 0; first < all.size(); first = end) {
      while (end < all.size() && all[end].row == all[first].row) ++end;
      std::vector<float> level(pieces.size() + 1, 0.0F);  // what is not yet added to the next
      for (std::size_t i = first; i < end; ++i) {
        for (std::size_t p = 0; p < pieces.size(); ++p) {
          if (i == first || i % pieces[p] != 0) break;
          level[p + 1] += level[p];
          level[p] = 0;
        }
        level[0] += all[i].gradient[c];
      }
      for (std::size_t p = 0; p < pieces.size(); ++p) level[p + 1] += level[p];
      sums.at(++at, c) = level.back();
    }
  return sums;
}

TEST_CASE("embedding_backward adds in order of feature, sample and position", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {50, 900}) {
      Draw draw(35);
      SharedTable table(3, 4);
      for (int i = 0; i < 3; ++i) table.add(draw, Ids(draw, rows, 6, true, 4), Pooling::none);
      const auto gradient = table.gradient();
      run_backward(kernels, {gradient}, rows);
      REQUIRE(table.count[0] == 4);
      // A GPU sums 32 sorted occurrences, then what a block has of them.
      const bool on_gpu = !is_cpu(kernels);
      const Matrix want =
          sum_in_pieces(table, on_gpu ? std::vector<std::size_t>{32, 2048} : std::vector<std::size_t>{});
      CHECK(std::memcmp(table.values.data(), want.data(), 4 * 3 * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("embedding_backward of popular rows: over windows, blocks and many blocks", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int32_t width : {1, 3, 4, 8, 16, 32, 64})
      for (const std::int64_t table_rows : {1, 3, 50, 4000}) {
        INFO("width " << width << ", table of " << table_rows);
        Draw draw(39);
        SharedTable table(width, table_rows);
        table.add(draw, Ids(draw, 1500, 5, true, table_rows), Pooling::mean);  // ragged
        table.add(draw, Ids(draw, 1500, 2, false, table_rows), Pooling::none);
        for (std::int64_t r = 0; r < 1500; ++r) table.ids[1].id(r, 0) = static_cast<std::int32_t>(table_rows - 1);
        const auto gradient = table.gradient();
        run_backward(kernels, {gradient}, 1500);
        CHECK(table_mismatch(table, 400) == "");  // one row 1500 times
      }
  });
}

TEST_CASE("embedding_backward of segments that end where windows and blocks end", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t run : {1, 2, 16, 31, 32, 33, 64, 2047, 2048, 2049})
      for (const std::int64_t rows : {2048, 4100}) {
        INFO("every row " << run << " times, " << rows << " occurrences");
        Draw draw(40);
        const std::int64_t table_rows = (rows + run - 1) / run;
        SharedTable table(4, table_rows + 7);  // the last rows are not touched
        table.add(draw, Ids(draw, rows, 1, false, table_rows), Pooling::none);
        for (std::int64_t r = 0; r < rows; ++r) table.ids[0].id(r, 0) = static_cast<std::int32_t>(r % table_rows);
        const auto gradient = table.gradient();
        run_backward(kernels, {gradient}, rows);
        CHECK(table_mismatch(table) == "");
      }
  });
}

TEST_CASE("embedding_backward of more lookups than one launch describes, and tables without", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {0, 40, 200}) {
      INFO(rows << " rows");
      Draw draw(41);
      std::vector<SharedTable> tables;
      for (int t = 0; t < 60; ++t) {
        tables.emplace_back(t % 3 == 0 ? 16 : t % 3 == 1 ? 5 : 12, 1 + t * t);
        for (int l = 0; l < t % 4; ++l)
          tables.back().add(draw, Ids(draw, rows, 1 + l * 3, l != 1, 1 + t * t), kPoolings[l]);
      }
      std::vector<kernels::TableGradient> gradients;
      for (SharedTable& table : tables) gradients.push_back(table.gradient());
      run_backward(kernels, gradients, rows);
      for (std::size_t t = 0; t < tables.size(); ++t) {
        INFO("table " << t);
        if (tables[t].ids.empty())
          CHECK(tables[t].count[0] == 0);
        else
          CHECK(table_mismatch(tables[t]) == "");
      }
    }
  });
}

TEST_CASE("embedding_backward against central differences", "[kernels][embedding]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(36);
    SharedTable table(draw, 7, 3, 5);
    const auto gradient = table.gradient();
    run_backward(kernels, {gradient}, 7);
    REQUIRE(table.count[0] == 5);
    auto weights = Matrix(draw, 5, 3).wide();
    const auto numeric = central_differences(weights, [&] {
      double loss = 0;
      for (std::size_t i = 0; i < table.ids.size(); ++i)
        loss += dot(slow_lookup(table.ids[i], table.poolings[i], weights, 3), table.douts[i].wide());
      return loss;
    });
    Matrix got(5, 3);
    std::copy_n(table.values.data(), 15, got.data());
    CHECK(mismatch(got, numeric, 2e-6) == "");
  });
}

TEST_CASE("embedding kernels give the same bits for any number of threads", "[kernels][embedding]") {
  check_same_bits([&](const KernelTable& kernels) {
    Draw draw(37);
    const Matrix table(draw, 2000, 9, 2);
    const Ids ids(draw, 1025, 6, true, 2000);
    Matrix out(1025, 9);
    const kernels::Lookup lookup{table.data(),  table.stride(), ids.ids.data(), ids.lengths_or_null(), 6, 9,
                                 Pooling::mean, out.data(),     out.stride()};
    kernels.embedding_forward(&lookup, 1, 1025);
    std::vector<SharedTable> tables;
    for (const std::int64_t rows : {2000, 7, 70000}) tables.emplace_back(draw, 1025, 5, rows);
    std::vector<kernels::TableGradient> gradients;
    for (SharedTable& t : tables) gradients.push_back(t.gradient());
    run_backward(kernels, gradients, 1025);
    Bits bits;
    bits.add(out);
    for (std::size_t t = 0; t < 3; ++t) bits.add(tables[t].count).add(tables[t].rows).add(tables[t].values);
    return bits;
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("embedding kernels of many rows", "[kernels][embedding]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Draw draw(39);
    const Matrix table(draw, 1000, 3, 1);
    const Ids ids(draw, rows, 7, true, 1000);
    for (const Pooling pooling : {Pooling::none, Pooling::mean}) {
      Matrix out(rows, ids.out_width(pooling, 3), 1);
      const kernels::Lookup lookup{table.data(), table.stride(), ids.ids.data(), ids.lengths_or_null(), 7, 3,
                                   pooling,      out.data(),     out.stride()};
      kernels.embedding_forward(&lookup, 1, rows);
      CHECK(mismatch(out, slow_lookup(ids, pooling, table.wide(), 3), 3e-6) == "");
    }
    // 17 ids a row: each block counts what begins in more than 256 tiles of 1024 before it, 256 at a time.
    SharedTable gradients(3, 1000);
    gradients.add(draw, Ids(draw, rows, 16, false, 1000), Pooling::none);
    gradients.add(draw, Ids(draw, rows, 1, false, 1000), Pooling::sum);
    const auto gradient = gradients.gradient();
    run_backward(kernels, {gradient}, rows);
    CHECK(table_mismatch(gradients) == "");
  });
}

}  // namespace mal::test::embedding
