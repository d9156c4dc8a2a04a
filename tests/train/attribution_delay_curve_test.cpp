// The life table of --delay-weights, by hand.
#include <catch2/catch.hpp>

#include "train/attribution/delay_curve.h"

namespace mal {
namespace {

TEST_CASE("delay bins: each begins where the one before ends, and is 1/32 of its time wide at most", "[attribution]") {
  for (std::uint32_t bin = 0; bin < 1400; ++bin) {
    const std::int64_t begin = DelayBins::begin_of(bin), end = DelayBins::begin_of(bin + 1);
    REQUIRE(begin < end);
    REQUIRE(DelayBins::bin_of(begin) == bin);
    REQUIRE(DelayBins::bin_of(end - 1) == bin);
    REQUIRE(((end - begin == 1) || (end - begin) * 32 <= begin));
  }
  CHECK(DelayBins::bin_of(-5) == 0);
  CHECK(DelayBins::bin_of(31) == 31);
  CHECK(DelayBins::begin_of(64) == 64);
  CHECK(DelayBins::begin_of(65) == 66);
  CHECK(DelayBins::bin_of(4102444800LL * 1000000) < 0xFFFF);  // the longest that a log can have
}

// Ten clicks, in bins of 1 µs: credited after 1, 3, 3 and 8; left at the ages 2, 4, 8 and 10; two older than the
// window of 20. At risk: 10 (bin 1), 9, 8 (bin 3), 6, 5 (bin 8; one leaves in it, so 4.5 of them count), 3.
const std::vector<DelayBin> kTenClicks = {{1, 1, 0}, {2, 0, 1}, {3, 2, 0}, {4, 0, 1}, {8, 1, 1}, {10, 0, 1}};

TEST_CASE("a delay curve of ten clicks", "[attribution]") {
  const DelayCurve curve(kTenClicks, 10, 20, 0);
  const double first = 1 - 0.9, second = 1 - 0.9 * (1 - 2.0 / 8), rate = 1 - 0.9 * 0.75 * (1 - 1 / 4.5);
  CHECK(curve.clicks() == 10);
  CHECK(curve.credited() == 4);
  CHECK(rate == Approx(0.475));
  CHECK(curve.rate() == Approx(rate));
  CHECK(curve.end() == 20);
  const std::vector<double> known = {0, 0, first, first, second, second, second, second, second, rate};
  for (std::size_t age = 0; age < known.size(); ++age) {
    INFO(age);
    CHECK(curve.known(static_cast<std::int64_t>(age)) == Approx(known[age] / rate));
  }
  CHECK(curve.known(19) == Approx(1));
  CHECK(curve.known(1000) == 1);
}

TEST_CASE("a delay curve ends where too few clicks are left to tell", "[attribution]") {
  // 4 conversions of 10 clicks: with 2 · 10 / 4 = 5 at risk wanted, the 3 that reach bin 10 are too few.
  const DelayCurve cut(kTenClicks, 10, 20, 2);
  CHECK(cut.end() == 9);
  CHECK(cut.rate() == Approx(0.475));
  // Of 7.5: the 6 that reach bin 4 are too few, so the conversion after 8 does not count.
  const DelayCurve early(kTenClicks, 10, 20, 3);
  CHECK(early.end() == 4);
  CHECK(early.rate() == Approx(0.325));
  CHECK(early.known(2) == Approx(0.1 / 0.325));
  CHECK(early.known(4) == 1);
  // After the last bin 2 are left: enough for 0.5 · 10 / 4, too few for 1 · 10 / 4.
  CHECK(DelayCurve(kTenClicks, 10, 20, 0.5).end() == 20);
  CHECK(DelayCurve(kTenClicks, 10, 20, 1).end() == 11);
}

TEST_CASE("a delay curve is linear within a bin, and the bin of the window ends with it", "[attribution]") {
  // Bin 64 is 64 to 66: half of the clicks are credited in it, the others are older than the window.
  const std::vector<DelayBin> one = {{64, 2, 0}};
  const DelayCurve curve(one, 4, 1000, 0);
  CHECK(curve.known(64) == 0);
  CHECK(curve.known(65) == Approx(0.5));
  CHECK(curve.known(66) == 1);
  CHECK(curve.rate() == Approx(0.5));
  // Credited at the very end of the window, which lies within the bin of 512 to 528.
  const std::vector<DelayBin> last = {{DelayBins::bin_of(520), 2, 0}};
  const DelayCurve end(last, 4, 520, 0);
  CHECK(end.end() == 520);
  CHECK(end.known(516) == Approx(0.5));
  CHECK(end.known(520) == 1);
}

TEST_CASE("a delay curve of nothing knows everything", "[attribution]") {
  const DelayCurve nothing({}, 0, 20);
  CHECK(nothing.rate() == 0);
  CHECK(nothing.known(1) == 1);
  const std::vector<DelayBin> left = {{5, 0, 3}};
  const DelayCurve never(left, 8, 20);
  CHECK(never.rate() == 0);
  CHECK(never.known(1) == 1);
}

}  // namespace
}  // namespace mal
