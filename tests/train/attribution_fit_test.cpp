// The fit of the data-driven mechanisms depends on the fitted journeys and the names of their channels, and on nothing
// else: not on the test period, on channels outside it, on the order of rows, or on how the log is cut.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/train/attribution_disk_support.h"
#include "train/attribution/markov.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_lines;
using test::AttributionFolder;

constexpr int kTestStart = 1'000'000;  // Unix seconds

std::string joined(const std::string& header, const std::vector<std::string>& rows) {
  std::string text = header + "\n";
  for (const std::string& row : rows) text += row + "\n";
  return text;
}

// Clicks of `channels` channels before kTestStart and one after it. Times differ, so that the order of rows says
// nothing.
struct FitWorld {
  std::vector<std::string> clicks, conversions;

  FitWorld(unsigned channels, unsigned seed) {
    std::mt19937 random(seed);
    const auto draw = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    for (int i = 0; i < 2000; ++i) {
      const std::string user = "u" + std::to_string(draw(700));
      const unsigned channel = draw(channels);
      const int time = 1000 + 400 * i;
      clicks.push_back(std::to_string(time) + "," + user + ",a,c" + std::to_string(channel));
      if (draw(4 + channel) == 0) conversions.push_back(std::to_string(time + 10) + "," + user + ",a");
    }
    clicks.push_back(std::to_string(kTestStart + 5) + ",u1,a,c0");
  }

  AttributeOptions options(const AttributionFolder& folder) const {
    AttributeOptions o =
        folder.options(joined("time,user,advertiser,channel", clicks), joined("time,user,advertiser", conversions));
    o.mechanisms = {"last", "shapley", "markov", "logistic"};
    o.test_from = std::to_string(kTestStart);
    o.train_labels = "known";
    return o;
  }
};

// What a test period may bring: channels of the fit and new ones, whose names sort before and after those, and
// conversions.
void add_test_period(FitWorld& world) {
  std::vector<std::string> rows;
  for (int i = 0; i < 30; ++i) {
    const std::string user = "u" + std::to_string(i * 17), time = std::to_string(kTestStart + 10 * i);
    const char* channels[] = {"tiktok", "a new one", "c2", "c1"};
    rows.push_back(time + "," + user + ",a," + channels[i % 4]);
    if (i % 3 == 0)
      world.conversions.insert(world.conversions.begin(), std::to_string(kTestStart + 10 * i + 1) + "," + user + ",a");
  }
  world.clicks.insert(world.clicks.begin(), rows.begin(), rows.begin() + 15);  // first seen before all others
  world.clicks.insert(world.clicks.end(), rows.begin() + 15, rows.end());
}

struct Fitted {
  std::string train, model;
  bool operator==(const Fitted&) const = default;
};

// The same in memory and in parts on disk.
Fitted fitted(AttributeOptions o, const AttributionFolder& folder) {
  test::expect_same_on_disk(o, folder);
  return {read_file(folder.path("memory/train.csv")), read_file(folder.path("memory/channel_model.json"))};
}

void expect_same(const Fitted& one, const Fitted& other) {
  CHECK(one.model == other.model);
  CHECK((one.train == other.train));  // in brackets: a difference need not print two files
}

TEST_CASE("the fit depends neither on the test period nor on the order of rows", "[attribution]") {
  // 3: exact, all channels in every bag. 12: exact, and a 13th channel would flip it to sampled. 14: sampled.
  const unsigned channels = GENERATE(3U, 12U, 14U);
  CAPTURE(channels);
  const AttributionFolder folder;
  FitWorld world(channels, channels);
  const Fitted before = fitted(world.options(folder), folder);
  const auto model = nlohmann::json::parse(before.model);
  REQUIRE(model.at("channels").size() == channels);
  REQUIRE(model.at("conversions") > 100);

  SECTION("a test period with old and new channels, first and last in the file") {
    add_test_period(world);
    AttributeOptions o = world.options(folder);
    expect_same(fitted(o, folder), before);
    o.out = folder.path("out");
    const AttributeReport report = attribute(o);
    CHECK(report.fit_exact == (channels <= 12));
    CHECK(report.unknown_channel_clicks == 15 + 1);  // tiktok 8, a new one 8: i % 4 of 0 … 29
    CHECK(report.channels.size() == channels + 2);
    CHECK_THAT(summary(report), Contains("tiktok") && Contains("not in the fit"));
  }
  SECTION("rows in another order") {
    std::mt19937 random(7);
    std::shuffle(world.clicks.begin(), world.clicks.end(), random);
    std::shuffle(world.conversions.begin(), world.conversions.end(), random);
    expect_same(fitted(world.options(folder), folder), before);
  }
}

TEST_CASE("touches that --truncate drops are not in the fit", "[attribution]") {
  // Journeys of two to four touches an hour apart; two days before their last touch is too early.
  const unsigned channels = GENERATE(3U, 14U);
  const AttributionFolder folder;
  std::mt19937 random(3);
  std::vector<std::string> kept, dropped;
  for (int j = 0; j < 400; ++j) {
    const int start = 200'000 + 1000 * j;
    const std::string journey = "j" + std::to_string(j), user = "u" + std::to_string(j);
    const std::string converted = random() % 5 == 0 ? "1" : "0";
    const auto touches = static_cast<unsigned>(2 + random() % 3);
    for (unsigned k = 0; k < touches; ++k)
      kept.push_back(journey + "," + user + "," + std::to_string(start + 3600 * static_cast<int>(k)) + ",c" +
                     std::to_string(random() % channels) + "," + converted);
    if (j % 5 == 0)
      dropped.push_back(journey + "," + user + "," + std::to_string(start - 180'000) +
                        (j % 2 == 0 ? ",early," : ",c1,") + converted);
  }
  dropped.push_back("lone,v,300000,alone,0");
  const std::string header = "journey,user,timestamp,campaign,conversion";
  const auto run = [&](const std::vector<std::string>& rows) {
    AttributeOptions o = folder.one_file("journeys.csv", joined(header, rows), "journeys");
    o.mechanisms = {"last", "shapley", "markov", "logistic"};
    o.truncate = 2 * 86400;
    return fitted(o, folder);
  };
  const Fitted before = run(kept);
  std::vector<std::string> rows = dropped;
  rows.insert(rows.end(), kept.begin(), kept.end());
  const Fitted after = run(rows);
  expect_same(after, before);
  CHECK(nlohmann::json::parse(after.model).at("channels").size() == channels);
}

TEST_CASE("a click of a new channel after the fitted period leaves φ as it is, by hand", "[attribution]") {
  // 4 journeys of search and 4 of feed, each with one conversion: v({search}) = v({feed}) = (1 + 20 · ¼) / (4 + 20) =
  // ¼, and never seen together they are worth the mean, ¼. φ = ½ · ¼ + ½ · (¼ − ¼) = 0.125. With a third player of the
  // prior's value ¼, φ would be ¼ / 3 = 0.0833.
  std::string clicks = "time,user,advertiser,channel\n";
  for (int u = 0; u < 8; ++u)
    clicks += std::to_string(10 + u) + ",u" + std::to_string(u) + ",a," + (u < 4 ? "search" : "feed") + "\n";
  const std::string conversions = "time,user,advertiser\n30,u0,a\n30,u4,a\n";
  for (const char* late : {"1000,v,a,search\n", "1000,v,a,tiktok\n"}) {
    const AttributionFolder folder;
    AttributeOptions o = folder.options(clicks + late, conversions);
    o.mechanisms = {"shapley"};
    o.test_from = "1000";
    attribute(o);
    const auto model = nlohmann::json::parse(read_file(folder.path("out/channel_model.json")));
    REQUIRE(model.at("channels").size() == 2);
    for (const auto& channel : model.at("channels")) CHECK(channel.at("shapley").get<double>() == Approx(0.125));
  }
}

TEST_CASE("a channel that is not in the fit gets no credit beside one that is", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(
      "time,user,advertiser,channel\n1,u,a,search\n2,v,a,feed\n3,v,a,search\n4,x,a,feed\n"
      "1000,w,a,tiktok\n1001,w,a,search\n1002,y,a,tiktok\n1003,y,a,tiktok\n",
      "time,user,advertiser\n2,u,a\n4,v,a\n1002,w,a\n1004,y,a\n");
  o.mechanisms = {"markov"};
  o.test_from = "1000";
  const AttributeReport report = attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,channel,markov,path_length", "1000,w,a,tiktok,0,2",
                                             "1001,w,a,search,1,2", "1002,y,a,tiktok,0.5,2", "1003,y,a,tiktok,0.5,2"};
  CHECK(attribution_lines(folder.path("out/test.csv")) == expected);
  CHECK(report.unknown_channel_clicks == 3);
  const auto json = nlohmann::json::parse(read_file(folder.path("out/attribution.json"))).at("fit").at("channels");
  REQUIRE(json.size() == 3);
  CHECK(json[0].at("in_fit") == true);
  CHECK(json[2].at("channel") == "tiktok");
  CHECK(json[2].at("in_fit") == false);
  CHECK(json[2].at("markov_value") == 0);
}

TEST_CASE("where every journey converts, or none before the test period, credit is linear", "[attribution]") {
  // Two touches a journey, on two channels of three, in turn.
  const bool all = GENERATE(true, false);
  const AttributionFolder folder;
  std::string clicks = "time,user,advertiser,channel\n", conversions = "time,user,advertiser\n";
  for (int u = 0; u < 30; ++u) {
    const std::string user = ",u" + std::to_string(u) + ",a";
    clicks += std::to_string(10 + u) + user + ",c" + std::to_string(u % 3) + "\n";
    clicks += std::to_string(50 + u) + user + ",c" + std::to_string(u % 5 % 3) + "\n";
    conversions += std::to_string((all ? 100 : 1000) + u) + user + "\n";
  }
  clicks += "1000,u0,b,c0\n";
  AttributeOptions o = folder.options(clicks, conversions);
  o.mechanisms = {"linear", "shapley", "markov", "logistic"};
  o.test_from = "1000";
  const auto report = test::expect_same_on_disk(o, folder);
  REQUIRE(report.fit_total.journeys == 30);
  CHECK_FALSE(report.fit_learned);
  const std::string said =
      std::string("nothing can be learned: ") +
      (all ? "all 30 journeys of the fit convert" : "none of the 30 journeys of the fit converts") +
      ", so shapley, markov and logistic equal linear";
  CHECK_THAT(summary(report), Contains(said));
  const auto json = nlohmann::json::parse(read_file(folder.path("memory/attribution.json")));
  CHECK_THAT(json.at("fit").at("nothing_learned").get<std::string>(), Contains(said));
  const auto linear = json.at("mechanisms").at("linear");
  for (const char* mechanism : {"shapley", "markov", "logistic"}) CHECK(json.at("mechanisms").at(mechanism) == linear);
  std::vector<std::string> lines = attribution_lines(folder.path("memory/train.csv"));
  REQUIRE(lines.size() == 61);
  lines.erase(lines.begin());
  CHECK(std::ranges::all_of(lines, [](const std::string& line) { return line.ends_with(",0.5,0.5,0.5,0.5,2"); }));

  // Its table says as much to a later run, unless somebody edits it.
  o.channel_model = folder.path("memory/channel_model.json");
  o.out = folder.path("again");
  CHECK_THAT(summary(attribute(o)), Contains(said));
}

TEST_CASE("channels whose value is below 0 are marked as clipped", "[attribution]") {
  // feed alone converts never, search alone often, both together seldom.
  const AttributionFolder folder;
  std::string clicks = "time,user,advertiser,channel\n", conversions = "time,user,advertiser\n";
  for (int u = 0; u < 3000; ++u) {
    const std::string user = ",u" + std::to_string(u) + ",a";
    if (u % 3 != 1) clicks += "10" + user + ",search\n";
    if (u % 3 != 0) clicks += "20" + user + ",feed\n";
    if (u % 3 == 0 ? u % 2 == 0 : u % 3 == 2 && u % 10 == 2) conversions += "30" + user + "\n";
  }
  AttributeOptions o = folder.options(clicks, conversions);
  o.mechanisms = {"shapley"};
  for (const bool several : {false, true}) {
    if (several) o.mechanisms = {"shapley", "markov", "logistic"};
    const AttributeReport report = attribute(o);
    REQUIRE(report.channels.size() == 2);
    CHECK(report.channels[1].name == "feed");
    CHECK(report.channels[1].values.front() < 0);
    const std::string text = summary(report);
    CHECK_THAT(text, Contains(several ? "  clipped: shapley, logistic\n" : "  clipped\n"));
    CHECK_THAT(text, Contains("1 channel clipped: a value below 0 counts as 0"));
    const auto json = nlohmann::json::parse(read_file(folder.path("out/attribution.json"))).at("fit").at("channels");
    CHECK(json[0].at("clipped").empty());
    CHECK(json[1].at("clipped") ==
          (several ? std::vector<std::string>{"shapley", "logistic"} : std::vector<std::string>{"shapley"}));
  }
}

TEST_CASE("markov counts the channels of the fit alone", "[attribution]") {
  // More channels than markov can have, but all except two come after the fitted period.
  const AttributionFolder folder;
  std::string clicks = "time,user,advertiser,channel\n1,u,a,search\n2,v,a,feed\n";
  for (std::uint32_t c = 0; c <= MarkovChain::kMaxChannels; ++c) clicks += "1000,w,a,new" + std::to_string(c) + "\n";
  AttributeOptions o = folder.options(clicks, "time,user,advertiser\n5,u,a\n");
  o.mechanisms = {"markov"};
  o.test_from = "1000";
  CHECK(attribute(o).unknown_channel_clicks == MarkovChain::kMaxChannels + 1);
  o.test_from.clear();
  o.out = folder.path("refused");
  for (const std::uint64_t memory : {1U << 30, 1U}) {
    o.memory = memory;
    CHECK_THAT(test::attribution_error(o, 2), Contains("markov") && Contains("2048") && Contains("--channel"));
  }
}

}  // namespace
}  // namespace mal
