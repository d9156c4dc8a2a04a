#include "tests/kernels/kernel_test.h"

namespace mal::test::multi_head {

using kernels::MultiHeadShape;

const Covers kCovers(&KernelTable::multi_head_forward, &KernelTable::multi_head_backward,
                     &KernelTable::multi_head_backward_workspace);

// rows, length, width, heads
constexpr MultiHeadShape kShapes[] = {{0, 3, 2, 1},   {1, 1, 1, 1},   {7, 7, 6, 3},   {31, 5, 8, 8},
                                      {129, 4, 9, 3}, {4, 33, 16, 4}, {2, 129, 10, 2}};

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// As the formula has it, with keys and values of every position, in float64.
struct Attention {
  MultiHeadShape s;
  std::vector<double> key, value, value_bias, output, output_bias, query, sequence;
  Vector<std::int32_t> lengths;

  // e_j · matrix, + bias where there is one
  double projected(const std::vector<double>& matrix, std::int64_t r, std::int64_t j, std::int64_t column) const {
    double sum = 0;
    for (std::int64_t i = 0; i < s.width; ++i)
      sum += sequence[at((r * s.length + j) * s.width + i)] * matrix[at(i * s.width + column)];
    return sum;
  }
  std::vector<double> head(std::int64_t r, std::int64_t h) const {
    const std::int64_t per_head = s.width / s.heads;
    std::vector<double> p(at(lengths[at(r)])), o(at(per_head));
    double sum = 0;
    for (std::size_t j = 0; j < p.size(); ++j) {
      double score = 0;
      for (std::int64_t c = h * per_head; c < (h + 1) * per_head; ++c)
        score += query[at(r * s.width + c)] * projected(key, r, static_cast<std::int64_t>(j), c);
      sum += p[j] = std::exp(score / std::sqrt(static_cast<double>(per_head)));
    }
    for (std::size_t j = 0; j < p.size(); ++j)
      for (std::int64_t c = 0; c < per_head; ++c) {
        const std::int64_t column = h * per_head + c;
        o[at(c)] += p[j] / sum * (projected(value, r, static_cast<std::int64_t>(j), column) + value_bias[at(column)]);
      }
    return o;
  }
  std::vector<double> forward() const {
    std::vector<double> result(at(s.rows * s.width));
    for (std::int64_t r = 0; r < s.rows; ++r) {
      if (lengths[at(r)] == 0) continue;
      std::vector<double> o;
      for (std::int64_t h = 0; h < s.heads; ++h)
        for (const double v : head(r, h)) o.push_back(v);
      for (std::int64_t n = 0; n < s.width; ++n) {
        result[at(r * s.width + n)] = output_bias[at(n)];
        for (std::int64_t m = 0; m < s.width; ++m)
          result[at(r * s.width + n)] += o[at(m)] * output[at(m * s.width + n)];
      }
    }
    return result;
  }
};

struct Case {
  explicit Case(const MultiHeadShape& shape, std::int64_t gap = 0)
      : s(shape),
        draw(61),
        key(draw, s.width, s.width),
        value(draw, s.width, s.width),
        value_bias(draw, 1, s.width),
        output(draw, s.width, s.width),
        output_bias(draw, 1, s.width),
        query(draw, s.rows, s.width, gap),
        sequence(draw, s.rows, s.length * s.width, gap + 1),
        out(s.rows, s.width, gap),
        probabilities(s.rows, s.heads * s.length),
        dout(draw, s.rows, s.width, gap + 2),
        dquery(s.rows, s.width, gap),
        dsequence(s.rows, s.length * s.width, gap),
        dkey(s.width, s.width),
        dvalue(s.width, s.width),
        dvalue_bias(1, s.width),
        doutput(s.width, s.width),
        doutput_bias(1, s.width) {
    for (std::int64_t r = 0; r < s.rows; ++r)
      lengths.push_back(r % 4 == 0 ? static_cast<std::int32_t>(s.length) : draw.below(s.length + 1));
    if (s.rows > 2) lengths[1] = 0;
  }

  kernels::MultiHeadParameters parameters() const {
    return {key.data(), value.data(), value_bias.data(), output.data(), output_bias.data()};
  }
  void forward(const KernelTable& kernels) {
    kernels.multi_head_forward(s, parameters(), query.data(), query.stride(), sequence.data(), sequence.stride(),
                               lengths.data(), out.data(), out.stride(), probabilities.data());
  }
  void backward(const KernelTable& kernels, bool accumulate) {
    Matrix workspace(1, kernels.multi_head_backward_workspace(s));
    kernels.multi_head_backward(s, parameters(), query.data(), query.stride(), sequence.data(), sequence.stride(),
                                lengths.data(), probabilities.data(), dout.data(), dout.stride(), dquery.data(),
                                dquery.stride(), accumulate, dsequence.data(), dsequence.stride(), accumulate,
                                {dkey.data(), dvalue.data(), dvalue_bias.data(), doutput.data(), doutput_bias.data()},
                                workspace.data());
  }
  Attention reference() const {
    return {s,
            key.wide(),
            value.wide(),
            value_bias.wide(),
            output.wide(),
            output_bias.wide(),
            query.wide(),
            sequence.wide(),
            lengths};
  }

  MultiHeadShape s;
  Draw draw;
  Matrix key, value, value_bias, output, output_bias, query, sequence, out, probabilities, dout, dquery, dsequence;
  Matrix dkey, dvalue, dvalue_bias, doutput, doutput_bias;
  Vector<std::int32_t> lengths;
};

TEST_CASE("multi_head_forward is attention over keys and values of every position", "[kernels][multi_head]") {
  for_each_device([](const KernelTable& kernels) {
    for (const MultiHeadShape& s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " rows, " << s.length << " x " << s.width << ", " << s.heads << " heads, gap " << gap);
        Case c(s, gap);
        c.forward(kernels);
        CHECK(mismatch(c.out, c.reference().forward(), 1e-5) == "");
      }
  });
}

TEST_CASE("multi_head_backward against central differences", "[kernels][multi_head]") {
  for_each_device([](const KernelTable& kernels) {
    for (const MultiHeadShape& s : {MultiHeadShape{1, 1, 1, 1}, MultiHeadShape{5, 3, 6, 2}, MultiHeadShape{3, 4, 4, 4},
                                    MultiHeadShape{131, 2, 2, 1}}) {
      INFO(s.rows << " rows, " << s.length << " x " << s.width << ", " << s.heads << " heads");
      Case c(s, 1);
      Attention reference = c.reference();
      const auto dout = c.dout.wide();
      const auto loss = [&] { return dot(reference.forward(), dout); };
      const auto dquery = central_differences(reference.query, loss);
      const auto dsequence = central_differences(reference.sequence, loss);
      c.forward(kernels);
      c.backward(kernels, false);
      CHECK(mismatch(c.dquery, dquery, 1e-5) == "");
      CHECK(mismatch(c.dsequence, dsequence, 1e-5) == "");
      CHECK(mismatch(c.dkey, central_differences(reference.key, loss), 1e-5) == "");
      CHECK(mismatch(c.dvalue, central_differences(reference.value, loss), 1e-5) == "");
      CHECK(mismatch(c.dvalue_bias, central_differences(reference.value_bias, loss), 1e-5) == "");
      CHECK(mismatch(c.doutput, central_differences(reference.output, loss), 1e-5) == "");
      CHECK(mismatch(c.doutput_bias, central_differences(reference.output_bias, loss), 1e-5) == "");
      const Bits parameters = Bits().add(c.dkey).add(c.dvalue).add(c.doutput);
      c.backward(kernels, true);
      CHECK(mismatch(c.dquery, plus(dquery, dquery), 2e-5) == "");
      CHECK(mismatch(c.dsequence, plus(dsequence, dsequence), 2e-5) == "");
      CHECK(bool(parameters == Bits().add(c.dkey).add(c.dvalue).add(c.doutput)));
    }
  });
}

TEST_CASE("multi_head_backward of long sequences and of wide ones is the CPU's", "[kernels][multi_head]") {
  for_each_device([](const KernelTable& kernels) {
    for (const MultiHeadShape& s : {kShapes[3], kShapes[4], kShapes[5], kShapes[6], MultiHeadShape{37, 5, 24, 3},
                                    MultiHeadShape{161, 2, 4, 2}, MultiHeadShape{5, 3, 104, 4}}) {
      INFO(s.rows << " rows, " << s.length << " x " << s.width << ", " << s.heads << " heads");
      Case c(s, 0), want(s, 0);
      want.forward(kernels::cpu_kernels());
      want.backward(kernels::cpu_kernels(), false);
      c.forward(kernels);
      c.backward(kernels, false);
      CHECK(mismatch(c.dquery, want.dquery.wide(), 2e-5) == "");
      CHECK(mismatch(c.dsequence, want.dsequence.wide(), 2e-5) == "");
      CHECK(mismatch(c.dkey, want.dkey.wide(), 2e-5) == "");
      CHECK(mismatch(c.dvalue, want.dvalue.wide(), 2e-5) == "");
      CHECK(mismatch(c.dvalue_bias, want.dvalue_bias.wide(), 2e-5) == "");
      CHECK(mismatch(c.doutput, want.doutput.wide(), 2e-5) == "");
      CHECK(mismatch(c.doutput_bias, want.doutput_bias.wide(), 2e-5) == "");
    }
  });
}

TEST_CASE("multi-head attention of extreme scores takes one position; an empty row gives zeros",
          "[kernels][multi_head]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({3, 4, 4, 2});
    for (std::int64_t i = 0; i < 16; ++i) c.key.data()[i] *= 1e6F;
    c.forward(kernels);
    c.backward(kernels, false);
    for (std::int64_t h = 0; h < 2; ++h) {
      float most = 0;
      for (std::int64_t j = 0; j < 4; ++j) most = std::max(most, c.probabilities.at(0, h * 4 + j));
      CHECK(most == 1);
    }
    for (const Matrix* m : {&c.out, &c.dquery, &c.dsequence, &c.dkey})
      for (const float v : m->storage()) CHECK(std::isfinite(v));
    for (std::int64_t n = 0; n < 4; ++n) {
      CHECK(c.out.at(1, n) == 0);
      CHECK(c.dquery.at(1, n) == 0);
    }
  });
}

TEST_CASE("multi-head attention of no rows has zero gradients", "[kernels][multi_head]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({0, 3, 2, 1});
    c.backward(kernels, false);
    CHECK(mismatch(c.dkey, std::vector<double>(4), 0) == "");
    CHECK(mismatch(c.doutput_bias, std::vector<double>(2), 0) == "");
  });
}

TEST_CASE("multi-head attention gives the same bits for any number of threads", "[kernels][multi_head]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c({1025, 7, 8, 4}, 1);
    c.forward(kernels);
    c.backward(kernels, false);
    return Bits().add(c.out).add(c.dquery).add(c.dsequence).add(c.dkey).add(c.dvalue).add(c.doutput);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("multi-head attention of many rows", "[kernels][multi_head]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    constexpr std::int64_t kSmall = 61;
    const Case small({kSmall, 2, 4, 2});
    Case c({rows, 2, 4, 2}, 1);
    for (const auto& member : {&Case::key, &Case::value, &Case::value_bias, &Case::output, &Case::output_bias,
                               &Case::query, &Case::sequence, &Case::dout})
      repeat_rows(c.*member, small.*member);
    for (std::size_t r = 0; r < c.lengths.size(); ++r) c.lengths[r] = small.lengths[r % kSmall];
    Attention reference = small.reference();
    const auto dout = small.dout.wide(), all_dout = times_counts(dout, kSmall, rows);
    const auto row_loss = [&] { return dot(reference.forward(), dout); };
    const auto loss = [&] { return dot(reference.forward(), all_dout); };
    c.forward(kernels);
    CHECK(mismatch(c.out, repeated(reference.forward(), kSmall, rows), 1e-5) == "");
    const auto dquery = central_differences(reference.query, row_loss),
               dsequence = central_differences(reference.sequence, row_loss);
    for (const bool accumulate : {false, true}) {
      c.backward(kernels, accumulate);
      const double times = accumulate ? 2 : 1;
      const auto scaled = [&](std::vector<double> values) {
        for (double& value : values) value *= times;
        return repeated(values, kSmall, rows);
      };
      CHECK(mismatch(c.dquery, scaled(dquery), 2e-5) == "");
      CHECK(mismatch(c.dsequence, scaled(dsequence), 2e-5) == "");
    }
    const double tolerance = many_rows_tolerance(rows);
    CHECK(mismatch(c.dkey, central_differences(reference.key, loss), tolerance) == "");
    CHECK(mismatch(c.dvalue, central_differences(reference.value, loss), tolerance) == "");
    CHECK(mismatch(c.dvalue_bias, central_differences(reference.value_bias, loss), tolerance) == "");
    CHECK(mismatch(c.doutput, central_differences(reference.output, loss), tolerance) == "");
    CHECK(mismatch(c.doutput_bias, central_differences(reference.output_bias, loss), tolerance) == "");
  });
}

}  // namespace mal::test::multi_head
