#include "tests/kernels/kernel_test.h"

namespace mal::test::simtier {

const Covers kCovers(&KernelTable::simtier_count_forward, &KernelTable::simtier_embedding_forward,
                     &KernelTable::simtier_embedding_backward, &KernelTable::simtier_embedding_backward_workspace);

struct Shape {
  std::int64_t rows, length, tiers, width;
};
constexpr Shape kShapes[] = {{0, 3, 4, 2},    {1, 1, 1, 1},     {7, 7, 8, 3},     {33, 31, 5, 1},
                             {129, 20, 7, 5}, {1025, 3, 32, 4}, {2, 1025, 33, 7}, {3, 129, 129, 2}};

struct Case {
  Case(const Shape& shape, std::int64_t gap)
      : s(shape),
        draw(51),
        scores(s.rows, s.length),
        table(draw, s.tiers, s.width),
        counts(s.rows, s.tiers, gap),
        out(s.rows, s.tiers * s.width, gap),
        dout(draw, s.rows, s.tiers * s.width, 2 * gap),
        dtable(s.tiers, s.width) {
    // Full, empty, between. Some scores lie outside [−1, 1]; those beyond the length stay NaN.
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const std::int32_t valid = r % 3 == 0   ? static_cast<std::int32_t>(s.length)
                                 : r % 3 == 1 ? 0
                                              : draw.below(s.length + 1);
      lengths.push_back(valid);
      for (std::int64_t j = 0; j < valid; ++j) scores.at(r, j) = draw.uniform(-1.2F, 1.2F);
    }
  }

  void count(const KernelTable& kernels, bool log1p) {
    kernels.simtier_count_forward(scores.data(), s.length, lengths.data(), counts.data(), counts.stride(), s.rows,
                                  s.tiers, log1p);
  }
  void forward(const KernelTable& kernels) {
    const kernels::SimTierForward call = forward_call();
    kernels.simtier_embedding_forward(&call, 1, s.rows, s.length, s.tiers, s.width);
  }
  void backward(const KernelTable& kernels) {
    Matrix workspace(1, kernels.simtier_embedding_backward_workspace(1, s.rows, s.tiers, s.width));
    const kernels::SimTierBackward call = backward_call();
    kernels.simtier_embedding_backward(&call, 1, s.rows, s.length, s.tiers, s.width, workspace.data());
  }
  kernels::SimTierForward forward_call() {
    return {scores.data(), all_valid ? nullptr : lengths.data(), table.data(), out.data(), out.stride()};
  }
  kernels::SimTierBackward backward_call() {
    return {scores.data(), all_valid ? nullptr : lengths.data(), dout.data(), dout.stride(), dtable.data()};
  }

  // How many of a row's valid scores lie in tier t, by the formula of kernels.h.
  double slow_count(std::int64_t r, std::int64_t t) const {
    double n = 0;
    for (std::int32_t j = 0; j < lengths[static_cast<std::size_t>(r)]; ++j) {
      float score = scores.at(r, j);
      if (score < -1) score = -1;
      if (score > 1) score = 1;
      const float place = std::floor((score + 1) * static_cast<float>(s.tiers) / 2);
      if (static_cast<std::int64_t>(std::min(place, static_cast<float>(s.tiers - 1))) == t) n += 1;
    }
    return n;
  }
  std::vector<double> slow_counts(bool log1p) const {
    std::vector<double> result;
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t t = 0; t < s.tiers; ++t)
        result.push_back(log1p ? std::log(1 + slow_count(r, t)) : slow_count(r, t));
    return result;
  }
  std::vector<double> slow_embedding(const std::vector<double>& weights) const {
    std::vector<double> result;
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t t = 0; t < s.tiers; ++t) {
        const double scale = std::log2(1 + slow_count(r, t));
        for (std::int64_t q = 0; q < s.width; ++q)
          result.push_back(scale * weights[static_cast<std::size_t>(t * s.width + q)]);
      }
    return result;
  }
  std::vector<double> slow_gradient() const {
    std::vector<double> result(static_cast<std::size_t>(s.tiers * s.width));
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t t = 0; t < s.tiers; ++t) {
        const double scale = std::log2(1 + slow_count(r, t));
        for (std::int64_t q = 0; q < s.width; ++q)
          result[static_cast<std::size_t>(t * s.width + q)] += scale * static_cast<double>(dout.at(r, t * s.width + q));
      }
    return result;
  }

  Shape s;
  Draw draw;
  Matrix scores, table, counts, out, dout, dtable;
  Vector<std::int32_t> lengths;
  bool all_valid = false;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " rows, length " << s.length << ", " << s.tiers << " tiers, width " << s.width << ", gap "
                    << gap);
        Case c(s, gap);
        body(kernels, c);
      }
  });
}

TEST_CASE("simtier counts the scores of each tier", "[kernels][simtier]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.count(kernels, false);
    CHECK(mismatch(c.counts, c.slow_counts(false), 0) == "");
    c.count(kernels, true);
    CHECK(mismatch(c.counts, c.slow_counts(true), 1e-6) == "");
  });
}

TEST_CASE("simtier's borders belong to the tier above, and 1 to the last", "[kernels][simtier]") {
  for_each_device([](const KernelTable& kernels) {
    struct Border {
      float score;
      std::int64_t tier;
    };
    const float huge = std::numeric_limits<float>::max(), infinity = std::numeric_limits<float>::infinity();
    for (const Border b :
         {Border{-1, 0}, Border{-0.50001F, 0}, Border{-0.5F, 1}, Border{-0.0F, 2}, Border{0, 2}, Border{0.4999F, 2},
          Border{0.5F, 3}, Border{0.99999F, 3}, Border{1, 3}, Border{1.5F, 3}, Border{-7, 0}, Border{huge, 3},
          Border{-huge, 0}, Border{infinity, 3}, Border{-infinity, 0}}) {
      INFO(b.score);
      Case c({1, 1, 4, 1}, 0);
      c.scores.fill(b.score);
      c.count(kernels, false);
      std::vector<double> want(4);
      want[static_cast<std::size_t>(b.tier)] = 1;
      CHECK(mismatch(c.counts, want, 0) == "");
    }
  });
}

TEST_CASE("simtier_embedding_forward weights a tier's vector by log2(1 + n)", "[kernels][simtier]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    CHECK(mismatch(c.out, c.slow_embedding(c.table.wide()), 1e-6) == "");
  });
}

TEST_CASE("simtier_embedding_backward: the gradient of the table", "[kernels][simtier]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.backward(kernels);
    CHECK(mismatch(c.dtable, c.slow_gradient(), 2e-6) == "");
    if (c.s.rows * c.s.length * c.s.tiers > 3000) return;
    auto weights = c.table.wide();
    const auto dout = c.dout.wide();
    CHECK(mismatch(c.dtable, central_differences(weights, [&] { return dot(c.slow_embedding(weights), dout); }),
                   2e-6) == "");
  });
}

TEST_CASE("simtier of several columns of scores is each by itself", "[kernels][simtier]") {
  for_each_device([](const KernelTable& kernels) {
    const Shape shape{9, 7, 8, 3};
    constexpr std::size_t kCount = 100;  // more than one launch's parameters hold
    std::vector<Case> alone(kCount, Case(shape, 2));
    for (std::size_t i = 0; i < kCount; ++i) alone[i].table.at(0, 0) = alone[i].dout.at(3, 1) = static_cast<float>(i);
    std::vector<Case> together = alone;
    std::vector<kernels::SimTierForward> forward;
    std::vector<kernels::SimTierBackward> backward;
    for (std::size_t i = 0; i < kCount; ++i) {
      alone[i].forward(kernels);
      alone[i].backward(kernels);
      forward.push_back(together[i].forward_call());
      backward.push_back(together[i].backward_call());
    }
    Matrix workspace(1, kernels.simtier_embedding_backward_workspace(kCount, shape.rows, shape.tiers, shape.width));
    kernels.simtier_embedding_forward(forward.data(), kCount, shape.rows, shape.length, shape.tiers, shape.width);
    kernels.simtier_embedding_backward(backward.data(), kCount, shape.rows, shape.length, shape.tiers, shape.width,
                                       workspace.data());
    for (std::size_t i = 0; i < kCount; ++i)
      CHECK(bool(Bits().add(together[i].out).add(together[i].dtable) == Bits().add(alone[i].out).add(alone[i].dtable)));
  });
}

TEST_CASE("simtier without lengths takes every position", "[kernels][simtier]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({129, 7, 8, 3}, 0);
    std::ranges::fill(c.lengths, 7);
    for (std::int64_t r = 0; r < 129; ++r)
      for (std::int64_t j = 0; j < 7; ++j) c.scores.at(r, j) = c.draw.uniform();
    kernels.simtier_count_forward(c.scores.data(), 7, nullptr, c.counts.data(), 8, 129, 8, false);
    CHECK(mismatch(c.counts, c.slow_counts(false), 0) == "");
    c.all_valid = true;
    c.forward(kernels);
    CHECK(mismatch(c.out, c.slow_embedding(c.table.wide()), 1e-6) == "");
    c.backward(kernels);
    CHECK(mismatch(c.dtable, c.slow_gradient(), 2e-6) == "");
  });
}

TEST_CASE("simtier gives the same bits for any number of threads", "[kernels][simtier]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c({1025, 20, 32, 5}, 1);
    c.count(kernels, true);
    c.forward(kernels);
    c.backward(kernels);
    return Bits().add(c.counts).add(c.out).add(c.dtable);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("simtier of many rows", "[kernels][simtier]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c({rows, 3, 4, 2}, 1);
    c.count(kernels, false);
    CHECK(mismatch(c.counts, c.slow_counts(false), 0) == "");
    c.forward(kernels);
    CHECK(mismatch(c.out, c.slow_embedding(c.table.wide()), 1e-6) == "");
    c.backward(kernels);
    CHECK(mismatch(c.dtable, c.slow_gradient(), many_rows_tolerance(rows)) == "");
  });
}

}  // namespace mal::test::simtier
