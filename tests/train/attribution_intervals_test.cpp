// Intervals of credit: the chain of every resample, and mechanisms that have none. tests/e2e/bootstrap_test.py compares
// all numbers with runs of the resamples.
#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/replicate_walks.h"

namespace mal {

using test::AttributionFolder;

TEST_CASE("totals of a resample count each journey as often as its user", "[attribution]") {
  Interner channels;
  const std::uint32_t b = channels.intern("b"), a = channels.intern("a");
  ReplicateWalks walks(channels, 1, 3, 1U << 20);
  walks.add(std::vector{a, b}, true, 10, std::array<std::uint8_t, 3>{1, 0, 2});
  walks.add(std::vector{a}, false, 0, std::array<std::uint8_t, 3>{1, 1, 1});
  walks.add(std::vector{b}, true, 4, std::array<std::uint8_t, 3>{0, 3, 1});
  walks.solve();
  // By hand. Resample 0: a > b converts, a does not: both are lost without a, and without b.
  CHECK(walks.conversion_shares(0)[a] == Approx(0.5));
  // Resample 1: b alone converts.
  CHECK(walks.conversion_shares(1)[a] == 0);
  CHECK(walks.conversion_shares(1)[b] == Approx(1));
  // Resample 2: start → a 3/4, b 1/4; a → b 2/3. Without a 1/4 of 3/4 is left: R_a = 2/3, R_b = 1. A conversion after b
  // is worth the same wherever it came from.
  CHECK(walks.conversion_shares(2)[a] == Approx(2.0 / 5));
  CHECK(walks.value_shares(2)[a] == Approx(2.0 / 5));
}

TEST_CASE("chains of more resamples than memory has room for are refused", "[attribution]") {
  Interner channels;
  std::vector<std::uint32_t> path;
  std::mt19937 random(1);
  for (const char* name : {"a", "b", "c", "d"}) channels.intern(name);
  for (int k = 0; k < 2000; ++k) path.push_back(static_cast<std::uint32_t>(random() % 4));
  const std::vector<std::uint8_t> weights(200, 1);
  ReplicateWalks some(channels, 1, weights.size(), 1U << 20);
  CHECK_NOTHROW(some.add(path, true, 1, weights));
  ReplicateWalks many(channels, 8, weights.size(), 1U << 20);  // nearly 2,000 states, 800 bytes a step
  CHECK_THROWS_WITH(many.add(path, true, 1, weights),
                    Catch::Contains("--bootstrap 200: the resamples need more than 1 MiB") &&
                        Catch::Contains("lower --markov-order"));
}

TEST_CASE("a mechanism without an interval is named", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser,channel\n1000,u,k,a\n2000,v,k,b\n3000,w,k,a\n",
                                      "time,user,advertiser\n1300,u,k\n2100,v,k\n");
  o.mechanisms = {"last", "markov", "additive_hazard"};
  o.bootstrap = 20;
  const AttributeReport report = attribute(o);
  CHECK(report.table.mechanisms == std::vector<std::string>{"last", "markov", "additive_hazard", "markov_total"});
  CHECK(without_interval(report.table) == std::vector<std::string>{"additive_hazard"});
  CHECK_THAT(summary(report), Catch::Contains("20 resamples of the users; additive_hazard has none: it is not fitted"));
  CHECK(report.table.channels[0].credits.back().conversions_interval);
  o.mechanisms.emplace_back("neural");
  o.out = folder.path("two");
  o.report = true;
  const std::string both =
      "20 resamples of the users{} additive_hazard and neural have none: they are not fitted anew to the resamples{}";
  CHECK_THAT(summary(attribute(o)), Catch::Contains(fmt::format(fmt::runtime(both), ";", "\n")));
  CHECK_THAT(read_file(o.out + "/report.html"), Catch::Contains(fmt::format(fmt::runtime(both), ".", ".")));
  o.mechanisms = {"last", "markov"};
  o.out = folder.path("without");
  CHECK_THAT(summary(attribute(o)), !Catch::Contains("has none"));
}

}  // namespace mal
