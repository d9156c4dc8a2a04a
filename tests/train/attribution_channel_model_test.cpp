// markov, logistic, the table of channels as a file, and the comparison with true credits.
#include "train/attribution/channel_model.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/train/attribution_support.h"
#include "train/attribution/logistic.h"
#include "train/attribution/markov.h"
#include "train/attribution/score_attribution.h"

namespace mal {

namespace {

struct TestJourney {
  std::vector<std::uint32_t> channels;
  bool converted;
};

std::vector<TestJourney> random_journeys(std::uint32_t channels, int count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<TestJourney> journeys(static_cast<std::size_t>(count));
  for (TestJourney& journey : journeys) {
    const auto length = 1 + random() % 5;
    for (unsigned k = 0; k < length; ++k) journey.channels.push_back(static_cast<std::uint32_t>(random() % channels));
    journey.converted = random() % (2 + journey.channels.back()) == 0;
  }
  return journeys;
}

// P(conversion) when walks end at `removed`, by following the walk's distribution step by step.
double converting_share(const std::vector<TestJourney>& journeys, std::uint32_t channels, std::uint32_t removed) {
  const std::size_t start = channels, conversion = channels + 1, null = channels + 2, states = channels + 3;
  std::vector<std::vector<double>> steps(states, std::vector<double>(states, 0.0));
  for (const TestJourney& journey : journeys) {
    std::size_t from = start;
    for (const std::uint32_t channel : journey.channels) {
      ++steps[from][channel];
      from = channel;
    }
    ++steps[from][journey.converted ? conversion : null];
  }
  std::vector<double> at(states, 0.0);
  at[start] = 1;
  for (int step = 0; step < 2000; ++step) {
    std::vector<double> next(states, 0.0);
    for (std::size_t from = 0; from < states; ++from) {
      double sum = 0;
      for (const double s : steps[from]) sum += s;
      if (sum == 0 || from == removed) {
        next[from == removed ? null : from] += at[from];
        continue;
      }
      for (std::size_t to = 0; to < states; ++to) next[to] += at[from] * steps[from][to] / sum;
    }
    at = next;
  }
  return at[conversion];
}

std::vector<double> markov_effects(const std::vector<TestJourney>& journeys, std::uint32_t channels) {
  MarkovChain chain(channels);
  for (const TestJourney& journey : journeys) chain.add(journey.channels, journey.converted);
  return chain.removal_effects();
}

// 40 users; search converts often, feed seldom, and one journey has both.
std::string model_clicks() {
  std::string text = "user,time,advertiser,channel,oracle\n";
  for (int u = 0; u < 40; ++u) {
    text += "u" + std::to_string(u) + ",100,a," + (u % 2 == 0 ? "search" : "feed") + ",0.5\n";
    if (u % 4 == 0) text += "u" + std::to_string(u) + ",110,a,feed,0\n";
  }
  return text;
}
std::string model_conversions() {
  std::string text = "user,time,advertiser\n";
  for (int u = 0; u < 40; ++u)
    if (u % 2 == 0 ? u % 6 != 0 : u % 10 == 1) text += "u" + std::to_string(u) + ",120,a\n";
  return text;
}

}  // namespace

TEST_CASE("markov: by hand") {
  // a → conversion, a → b → conversion, b → null. P(conv) = 2/3. Without b: only the first walk, 1/3; without a: only
  // b's direct walks convert: start → b 1/3 of the time, b converts 1/2 of the time, 1/6.
  const std::vector<TestJourney> journeys = {{{0}, true}, {{0, 1}, true}, {{1}, false}};
  const std::vector<double> effects = markov_effects(journeys, 3);
  CHECK(effects[0] == Approx(1 - (1.0 / 6) / (2.0 / 3)));
  CHECK(effects[1] == Approx(1 - (1.0 / 3) / (2.0 / 3)));
  CHECK(effects[2] == 0);                                              // a channel that nobody touched
  CHECK(markov_effects({{{0}, false}}, 1) == std::vector<double>{0});  // no conversion at all
  CHECK(MarkovChain(0).removal_effects().empty());
}

TEST_CASE("markov: removal effects are those of the chain with the channel taken out") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const std::uint32_t channels = 2 + seed;
    const std::vector<TestJourney> journeys = random_journeys(channels, 60, seed);
    const std::vector<double> effects = markov_effects(journeys, channels);
    const double all = converting_share(journeys, channels, channels + 100);
    for (std::uint32_t c = 0; c < channels; ++c)
      CHECK(effects[c] == Approx(1 - converting_share(journeys, channels, c) / all).margin(1e-9));
  }
}

TEST_CASE("markov: too many channels are refused") {
  CHECK_THROWS_WITH(MarkovChain(MarkovChain::kMaxChannels + 1), Catch::Contains("--channel"));
}

TEST_CASE("logistic: marginal effects have the sign and the order of what drives the conversions") {
  std::mt19937 random(5);
  CoalitionTable table(4);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::uint32_t> channels;
    double margin = -1.5;
    const double effects[] = {1.5, 0.5, 0.0, -1.0};
    for (std::uint32_t c = 0; c < 4; ++c)
      if (random() % 2 == 0) {
        channels.push_back(c);
        margin += effects[c];
      }
    if (channels.empty()) continue;
    const bool converted = static_cast<double>(random() % 100000) / 100000 < 1 / (1 + std::exp(-margin));
    table.add(channels, converted);
  }
  const std::vector<double> values = BaggedLogistic(table).marginal_effects();
  CHECK(values[0] > 0.2);
  CHECK(values[0] < 0.4);
  CHECK(values[0] > values[1]);
  CHECK(values[1] > 0.04);
  CHECK(std::abs(values[2]) < 0.02);
  CHECK(values[3] < -0.1);
  CHECK(BaggedLogistic(table).marginal_effects() == values);
  CHECK(BaggedLogistic(table, {.seed = 9}).marginal_effects() != values);  // other bags
}

TEST_CASE("logistic: of two channels that help, the weaker one is not below 0, by hand") {
  // logit of the rates: {0} 1 %, {1} 10 %, both 12 %. Three patterns, three coefficients: β0 = logit .12 − logit .10 =
  // 0.2048, β1 = logit .12 − logit .01 = 2.6027, intercept = logit .01 − β0 = −4.7999, whose rate is 0.8165 %.
  // Values: ((1 − 0.8165) + (12 − 10)) / 2 = 1.092 % and ((10 − 0.8165) + (12 − 1)) / 2 = 10.092 %.
  CoalitionTable table(2);
  for (int i = 0; i < 10000; ++i) {
    table.add(std::vector<std::uint32_t>{0}, i < 100);
    table.add(std::vector<std::uint32_t>{1}, i < 1000);
    table.add(std::vector<std::uint32_t>{0, 1}, i < 1200);
  }
  const std::vector<double> values = BaggedLogistic(table).marginal_effects();
  CHECK(values[0] == Approx(0.01092).margin(0.002));  // 32 random halves of the journeys
  CHECK(values[1] == Approx(0.10092).margin(0.002));
}

TEST_CASE("logistic: three channels that help get what they add") {
  const double effects[] = {0.3, 1.0, 2.0};
  const auto rate = [&](unsigned set) {
    double margin = -5;
    for (unsigned c = 0; c < 3; ++c) margin += (set >> c & 1U) != 0 ? effects[c] : 0;
    return 1 / (1 + std::exp(-margin));
  };
  CoalitionTable table(3);
  double added[3] = {}, journeys_of[3] = {};
  for (unsigned set = 1; set < 8; ++set) {
    std::vector<std::uint32_t> channels;
    for (unsigned c = 0; c < 3; ++c)
      if ((set >> c & 1U) != 0) channels.push_back(c);
    const int journeys = channels.size() == 1 ? 40000 : 10000;
    const int conversions = static_cast<int>(std::lround(journeys * rate(set)));
    for (int i = 0; i < journeys; ++i) table.add(channels, i < conversions);
    for (const std::uint32_t c : channels) {
      added[c] += journeys * (rate(set) - rate(set & ~(1U << c)));
      journeys_of[c] += journeys;
    }
  }
  const std::vector<double> values = BaggedLogistic(table).marginal_effects();
  for (unsigned c = 0; c < 3; ++c) CHECK(values[c] == Approx(added[c] / journeys_of[c]).epsilon(0.15));
}

TEST_CASE("logistic: channels that always or never convert have finite effects") {
  CoalitionTable table(3);
  for (int i = 0; i < 50; ++i) {
    table.add(std::vector<std::uint32_t>{0, 0}, true);
    table.add(std::vector<std::uint32_t>{1}, false);
  }
  const std::vector<double> values = BaggedLogistic(table).marginal_effects();
  CHECK(values[0] > 0.1);
  CHECK(values[1] < -0.1);
  CHECK(values[2] == 0);
  CHECK(BaggedLogistic(CoalitionTable(2)).marginal_effects() == std::vector<double>{0, 0});
}

TEST_CASE("attribute: a channel model is written, read back, and gives the same credits") {
  const test::AttributionFolder folder;
  AttributeOptions options = folder.options(model_clicks(), model_conversions());
  options.mechanisms = {"linear", "shapley", "markov", "logistic", "mta"};
  options.mta = "markov";
  const AttributeReport report = attribute(options);
  CHECK(report.fitted_mechanisms == std::vector<std::string>{"shapley", "markov", "logistic"});
  const auto json = nlohmann::json::parse(read_file(folder.path("out/channel_model.json")));
  CHECK(json.at("channels").size() == 2);
  CHECK(json.at("channels")[0].at("channel") == "feed");  // in the order of their names
  CHECK(json.at("channels")[1].at("channel") == "search");
  const std::string samples = read_file(folder.path("out/train.csv"));

  AttributeOptions reuse = options;
  reuse.channel_model = folder.write("model.json", read_file(folder.path("out/channel_model.json")));
  reuse.out = folder.path("reused");
  const AttributeReport reused = attribute(reuse);
  CHECK(read_file(folder.path("reused/train.csv")) == samples);
  CHECK(reused.unknown_channel_clicks == 0);
  CHECK_FALSE(std::filesystem::exists(folder.path("reused/channel_model.json")));

  // Other values, other credits; a channel that the model does not know gets nothing beside one that it knows.
  reuse.channel_model = folder.write("other.json",
                                     R"({"format": 1, "journeys": 9, "conversions": 4, "channels":
          [{"channel": "feed", "markov": 0.5, "journeys_alone": 1, "conversions_alone": 1}]})");
  reuse.mechanisms = {"markov"};
  const AttributeReport other = attribute(reuse);
  CHECK(other.unknown_channel_clicks == 20);  // of search
  const std::vector<std::string> lines = test::attribution_lines(folder.path("reused/train.csv"));
  CHECK(std::ranges::find(lines, "u4,100,a,search,0.5,0,2") != lines.end());
  CHECK(std::ranges::find(lines, "u4,110,a,feed,0,1,2") != lines.end());
}

TEST_CASE("attribute: a channel model that does not fit is refused before anything is read") {
  const test::AttributionFolder folder;
  AttributeOptions options = folder.options(model_clicks(), model_conversions());
  const auto error = [&](const std::string& text, int code = 1) {
    options.channel_model = folder.write("model.json", text);
    return test::attribution_error(options, code);
  };
  options.mechanisms = {"markov"};
  const std::string no_markov = R"({"format": 1, "journeys": 1, "conversions": 1, "channels":
      [{"channel": "feed", "shapley": 0.5, "journeys_alone": 1, "conversions_alone": 1}]})";
  CHECK_THAT(error(no_markov), Catch::Contains("model.json") && Catch::Contains("no values of 'markov'"));
  CHECK_THAT(error("[]"), Catch::Contains("no channel model"));
  CHECK_THAT(error(R"({"format": 2})"), Catch::Contains("version 2"));
  const std::string entry = R"({"channel": "feed", "markov": 0.5, "journeys_alone": 1, "conversions_alone": 1})";
  CHECK_THAT(error(R"({"format": 1, "journeys": 1, "conversions": 1, "channels": [)" + entry + "," + entry + "]}"),
             Catch::Contains("stands twice"));
  options.mechanisms = {"last"};
  CHECK_THAT(error(no_markov, 2), Catch::Contains("data-driven"));
  options.mechanisms = {"mta"};
  options.mta = "linear";
  CHECK_THAT(error(no_markov, 2), Catch::Contains("choose shapley, markov, logistic, additive_hazard or neural"));
}

TEST_CASE("score-attribution: errors and rank correlations by hand") {
  CHECK(rank_correlation({1, 2, 3}, {10, 20, 90}) == Approx(1));
  CHECK(rank_correlation({1, 2, 3}, {3, 2, 1}) == Approx(-1));
  CHECK(rank_correlation({1, 1, 2}, {1, 2, 3}) == Approx(std::sqrt(0.75)));  // ranks 1.5 1.5 3 and 1 2 3
  CHECK(rank_correlation({1, 1}, {1, 2}) == 0);
  CHECK(rank_correlation({}, {}) == 0);
  const test::AttributionFolder folder;
  std::filesystem::create_directory(folder.path("samples"));
  folder.write("samples/train.csv", "a,oracle,last,linear\n1,0,0,0\n2,0.5,1,0.5\n3,0.5,0,0.5\n");
  folder.write("samples/test.csv", "a,oracle,last,linear\n4,0,0,0.25\n");
  folder.write("samples/attribution.json", "{}");
  const auto scores = score_attribution({.samples = {folder.path("samples")}, .mechanisms = {"last", "linear"}});
  REQUIRE(scores.size() == 2);
  CHECK(scores[0].clicks == 2);  // of the others, both are 0
  CHECK(scores[0].mean_error == Approx(0.5));
  CHECK(scores[1].clicks == 3);
  CHECK(scores[1].mean_error == Approx(0.25 / 3));
  CHECK(scores[1].rank_correlation == Approx(1));
  CHECK(scores[1].credit == Approx(1.25));
  CHECK_THROWS_WITH(score_attribution({.samples = {folder.path("samples/train.csv")}, .mechanisms = {"mta"}}),
                    Catch::Contains("no column 'mta'"));
}

TEST_CASE("score-attribution reads the samples of a folder as attribute writes it") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.options("user,time,advertiser,channel,oracle\n1,100000,a,x,0.25\n1,100100,a,y,0.75\n",
                                      "user,time,advertiser\n1,100200,a\n");
  o.mechanisms = {"linear", "last", "markov"};  // markov has tables of its own there
  o.report = true;
  attribute(o);
  REQUIRE(std::filesystem::exists(o.out + "/removal_effects.csv"));
  REQUIRE(std::filesystem::exists(o.out + "/transitions.csv"));
  const auto scores = score_attribution({.samples = {o.out}, .mechanisms = {"linear"}});
  REQUIRE(scores.size() == 1);
  CHECK(scores[0].clicks == 2);
  CHECK(scores[0].mean_error == Approx(0.25));
  // A file that is asked for by its name is one of samples.
  CHECK_THROWS_WITH(score_attribution({.samples = {o.out + "/channels.csv"}, .mechanisms = {"linear"}}),
                    Catch::Contains("no column 'oracle'"));
}

}  // namespace mal
