// Mechanisms that go by the place of a click in its journey.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "train/attribution/attribute_paths.h"
#include "train/attribution/mechanisms.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_lines;
using test::AttributionFolder;

void check_position(Mechanism mechanism, const PositionWeights& weights, const std::vector<double>& expected) {
  const std::vector<std::int64_t> times(expected.size(), 5);
  std::vector<double> credits(expected.size(), -1);
  MechanismParameters parameters;
  parameters.position = weights;
  credit_journey(mechanism, {times, {}}, parameters, credits);
  for (std::size_t k = 0; k < credits.size(); ++k) CHECK(credits[k] == Approx(expected[k]).margin(1e-12));
}

TEST_CASE("J-shaped and inverse J", "[attribution]") {
  check_position(Mechanism::j_shaped, {}, {1});
  check_position(Mechanism::j_shaped, {}, {0.25, 0.75});
  check_position(Mechanism::j_shaped, {}, {0.2, 0.2, 0.6});
  check_position(Mechanism::j_shaped, {}, {0.2, 0.05, 0.05, 0.05, 0.05, 0.6});
  check_position(Mechanism::inverse_j, {}, {1});
  check_position(Mechanism::inverse_j, {}, {0.75, 0.25});
  check_position(Mechanism::inverse_j, {}, {0.6, 0.2, 0.2});
  check_position(Mechanism::inverse_j, {}, {0.6, 0.05, 0.05, 0.05, 0.05, 0.2});
}

TEST_CASE("position with weights of one's own", "[attribution]") {
  const PositionWeights weights = {0.1, 0.6, 0.3};
  check_position(Mechanism::position, weights, {1});
  check_position(Mechanism::position, weights, {0.25, 0.75});
  check_position(Mechanism::position, weights, {0.1, 0.6, 0.3});
  check_position(Mechanism::position, weights, {0.1, 0.3, 0.3, 0.3});
  check_position(Mechanism::position, {0, 0, 1}, {0, 1});
  check_position(Mechanism::position, {0, 1, 0}, {0.5, 0.5});
  check_position(Mechanism::position, {0, 1, 0}, {0, 0.5, 0.5, 0});
  check_position(Mechanism::j_shaped, weights, {0.2, 0.2, 0.6});  // these have weights of their own
}

TEST_CASE("which position weights there can be", "[attribution]") {
  CHECK(parse_position_weights("0.1,0.6,0.3") == PositionWeights{0.1, 0.6, 0.3});
  CHECK(parse_position_weights("0,0,1") == PositionWeights{0, 0, 1});
  const PositionWeights thirds = parse_position_weights("0.3333333,0.3333333,0.3333333");
  CHECK(thirds.first + thirds.middle + thirds.last == Approx(1).margin(1e-15));
  for (const char* wrong : {"", "0.4", "0.5,0.5", "0.4,0.2,0.4,", "0.4,0.2,0.2,0.2", "-0.2,0.6,0.6", "a,0.2,0.8",
                            "nan,0.5,0.5", "0.4;0.2;0.4", "0.4, 0.2,0.4", "40%,20%,40%"})
    CHECK_THAT(test::message_of([&] { parse_position_weights(wrong); }),
               Contains(std::string("--position-weights ") + wrong + ": three numbers"));
  for (const char* wrong : {"0.4,0.3,0.4", "40,20,40", "0,0,0", "inf,0,0", "0.33,0.33,0.33"})
    CHECK_THAT(test::message_of([&] { parse_position_weights(wrong); }), Contains("they sum to"));
}

TEST_CASE("position weights of a log and of paths", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n10,u,a\n20,u,a\n30,u,a\n10,v,a\n20,v,a\n",
                                      "time,user,advertiser\n40,u,a\n40,v,a\n");
  o.mechanisms = {"position", "j_shaped", "inverse_j"};
  o.position = {0.125, 0.5, 0.375};
  test::expect_same_on_disk(o, folder);
  const std::vector<std::string> expected = {"time,user,advertiser,position,j_shaped,inverse_j,path_length",
                                             "10,u,a,0.125,0.2,0.6,3",
                                             "10,v,a,0.25,0.25,0.75,2",
                                             "20,u,a,0.5,0.2,0.2,3",
                                             "20,v,a,0.75,0.75,0.25,2",
                                             "30,u,a,0.375,0.6,0.2,3"};
  CHECK(attribution_lines(folder.path("memory/train.csv")) == expected);
  const auto json = nlohmann::json::parse(read_file(folder.path("memory/attribution.json")));
  CHECK(json["parameters"]["position_weights"] == std::vector<double>{0.125, 0.5, 0.375});

  AttributeOptions paths = folder.one_file("paths.csv", "path,total_conversions\na > b > c,8\na > b,4\n", "paths");
  paths.mechanisms = o.mechanisms;
  paths.position = o.position;
  const PathsReport report = attribute_paths(paths);
  for (const ChannelTotals& channel : report.table.channels) {  // 8 conversions as u, 4 as v
    INFO(channel.name);
    const double totals[] = {8 * 0.125 + 4 * 0.25, 8 * 0.5 + 4 * 0.75, 8 * 0.375};
    CHECK(channel.credits[0].conversions == Approx(totals[channel.name[0] - 'a']));
  }
}

}  // namespace
}  // namespace mal
