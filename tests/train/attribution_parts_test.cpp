// A log kept on disk in parts gives what the same log in memory gives, byte for byte.
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "tests/train/attribution_disk_support.h"
#include "train/attribution/log_memory.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

// Clicks out of order and in ties, users with much and with little, names that need quotes, conversions that come
// early, late, twice and for nobody.
struct RandomLog {
  std::string clicks = "user,time,advertiser,channel,item,true\n", conversions = "time,user,advertiser,conversion_id\n";
  std::string events = "who,when,what,key\n";

  explicit RandomLog(unsigned seed) {
    std::mt19937 random(seed);
    const auto draw = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    for (int i = 0; i < 3000; ++i) {
      const std::string user = "u" + std::to_string(draw(draw(2) == 0 ? 5 : 400));
      const std::string time = std::to_string(1'000'000 + draw(5000) * 200);
      const std::string key = "k" + std::to_string(draw(7));
      const std::string item = draw(9) == 0 ? "\"i,\"\"" + std::to_string(draw(9)) + "\"" : std::to_string(draw(50));
      clicks += user + "," + time + "," + key + ",c" + std::to_string(draw(5)) + "," + item + "," +
                (draw(3) == 0 ? "0.3" : "0") + "\n";
      if (draw(4) == 0)
        conversions +=
            std::to_string(1'000'000 + draw(5500) * 200) + "," + user + "," + key + ",id" + std::to_string(i) + "\n";
      events += user + "," + time + "," + (draw(5) == 0 ? "buy" : draw(6) == 0 ? "look" : "pv") + "," + key + "\n";
    }
  }
};

TEST_CASE("attribution of a log on disk is that of the log in memory", "[attribution]") {
  const RandomLog log(GENERATE(1U, 2U, 3U));
  const AttributionFolder folder;
  AttributeOptions o = folder.options(log.clicks, log.conversions);
  o.mechanisms = {"last",   "first",    "linear",          "time_decay", "position", "shapley",
                  "markov", "logistic", "additive_hazard", "neural",     "mta"};
  o.window = 4 * 86400;

  SECTION("one period") {
    expect_same_on_disk(o, folder);
  }
  SECTION("everything at once") {
    o.test_days = 2;
    o.gap = 86400;
    o.train_labels = "known";
    o.history = {"item", "channel"};
    o.history_length = 4;
    o.derive_hour = true;
    o.by = "channel";
    o.truth = "true";
    o.restart = true;
    o.keep = {"time", "item", "user"};
    expect_same_on_disk(o, folder);
  }
  SECTION("a given model, and a test period that ends before the log does") {
    o.test_from = "1500000";
    o.test_to = "1700000";
    attribute(o);
    o.channel_model = folder.path("model.json");
    std::filesystem::copy_file(folder.path("out/channel_model.json"), o.channel_model);
    expect_same_on_disk(o, folder);
  }
  SECTION("an event log without a channel") {
    o = folder.one_file("events.csv", log.events, "csv");
    o.user = "who";
    o.time = "when";
    o.key = "key";
    o.event = "what";
    o.click_events = {{"pv"}};
    o.conversion_event = "buy";
    o.from = "1100000";
    expect_same_on_disk(o, folder);
  }
}

TEST_CASE("errors of a log on disk are those of the log in memory, and nothing is left", "[attribution]") {
  const AttributionFolder folder;
  const std::string header = "time,user,advertiser,channel\n";
  const auto error = [&](const std::string& clicks, const std::string& conversions) {
    return same_error_on_disk(folder.options(clicks, conversions));
  };
  const std::string good = header + "1000,u,a,c\n", bought = "time,user,advertiser,conversion_id\n";
  CHECK_THAT(error(good + "1000,,a,c\n", bought), Contains("clicks.csv:3:user") && Contains("empty"));
  CHECK_THAT(error(good + "x,u,a,c\n", bought), Contains("clicks.csv:3:time"));
  CHECK_THAT(error(good, bought + "2000,u,a,7\n2000,u,a,8\n2500,v,a,7\n"),
             Contains("conversions.csv:4:conversion_id") && Contains("'7' was already at") &&
                 Contains("conversions.csv:2:conversion_id"));
  CHECK_THAT(error(good, bought + "2000,u,,7\n"), Contains("conversions.csv:2:advertiser"));
}

TEST_CASE("sizes of memory", "[attribution]") {
  CHECK(parse_bytes("64MiB", "--memory") == 64U << 20);
  CHECK(parse_bytes("2GiB", "--memory") == 2ULL << 30);
  CHECK(parse_bytes("500MB", "--memory") == 500'000'000);
  CHECK(parse_bytes("4096", "--memory") == 4096);
  for (const char* wrong : {"", "MiB", "0", "-1", "1.5GiB", "2 GiB", "2TiB", "99999999999GiB"})
    CHECK_THAT(test::message_of([&] { parse_bytes(wrong, "--memory"); }), Contains("--memory"));
}

}  // namespace
}  // namespace mal
