// neural on its way through `mal_data attribute`: in memory, on disk, by a model read back, and what it refuses.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"

namespace mal {

namespace {

// `ads` brings conversions, `mail` comes after it and brings none. From second 2,900,000 on, channels of the test day.
AttributeOptions neural_options(const test::AttributionFolder& folder, const std::string& late_channel) {
  std::string clicks = "user,time,advertiser,channel\n", buys = "user,time,advertiser\n";
  for (int user = 0; user < 200; ++user) {
    const int start = 1000000 + 86400 * (user % 20);
    clicks += fmt::format("{},{},a,ads\n", user, start);
    if (user % 3 == 0) clicks += fmt::format("{},{},a,mail\n", user, start + 9000);
    if (user % 4 == 0) buys += fmt::format("{},{},a\n", user, start + 10000 + 977 * (user % 7));
  }
  for (int user = 200; user < 300; ++user) clicks += fmt::format("{},{},a,mail\n", user, 1000000 + 4919 * user);
  for (int user = 300; user < 310; ++user) {
    clicks += fmt::format("{},{},a,{}\n{},{},a,ads\n", user, 2900000, late_channel, user, 2900100);
    buys += fmt::format("{},{},a\n", user, 2900500);
  }
  AttributeOptions o = folder.options(clicks, buys);
  o.mechanisms = {"last", "neural", "shapley"};
  o.test_from = "2900000";
  return o;
}

}  // namespace

TEST_CASE("neural is the same in memory, on disk, and by the model read back", "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions o = neural_options(folder, "mail");
  const AttributeReport report = test::expect_same_on_disk(o, folder);
  REQUIRE(report.channels.size() == 2);
  CHECK(report.channels[0].name == "ads");
  CHECK(report.fitted_mechanisms == std::vector<std::string>{"shapley", "neural"});
  CHECK(report.channels[0].values[1] > 2 * report.channels[1].values[1]);
  CHECK(summary(report).find("neural: trained on 50 conversions and") != std::string::npos);

  o.channel_model = folder.path("memory") + "/channel_model.json";
  o.out = folder.path("again");
  attribute(o);
  for (const char* file : {"/train.csv", "/test.csv"})
    CHECK(test::bytes_of(o.out + file) == test::bytes_of(folder.path("memory") + file));

  const std::string text = read_file(o.channel_model);
  o.out = folder.path("refused");
  const auto refused = [&](const std::string& what, const std::string& by) {
    std::string other = text;
    other.replace(other.find(what), what.size(), by);
    o.channel_model = folder.write("model.json", other);
    return test::attribution_error(o);
  };
  CHECK(refused("neural_networks", "networks_of_us").find("it has no neural_networks") != std::string::npos);
  CHECK(refused("\"query\": \"", "\"query\": \"1 ").find("'query' of the neural network has 17 numbers") !=
        std::string::npos);
  CHECK(refused("\"query\": \"", "\"query\": \"x").find("no finite number after 0 numbers") != std::string::npos);
}

TEST_CASE("neural does not see the test period", "[attribution][neural]") {
  const test::AttributionFolder folder;
  std::vector<std::string> trains, models;
  for (const char* late : {"mail", "anew", "zoo"}) {
    AttributeOptions o = neural_options(folder, late);
    o.out = folder.path(late);
    const AttributeReport report = attribute(o);
    trains.push_back(test::bytes_of(o.out + "/train.csv"));
    models.push_back(test::bytes_of(o.out + "/channel_model.json"));
    if (std::string(late) == "mail") continue;
    // Beside a known channel an unknown one gets nothing.
    for (const std::string& line : test::attribution_lines(o.out + "/test.csv"))
      if (line.find(late) != std::string::npos) CHECK(line.find(",0,0,0,2") != std::string::npos);
  }
  CHECK(trains[1] == trains[0]);
  CHECK(trains[2] == trains[0]);
  CHECK(models[1] == models[0]);
  CHECK(models[2] == models[0]);
}

TEST_CASE("neural learns nothing where nothing converts, and says so", "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.options("user,time,advertiser,channel\n1,100000,a,x\n1,100100,a,y\n2,300000,a,x\n",
                                      "user,time,advertiser\n1,200000,a\n");
  o.mechanisms = {"neural"};
  o.test_from = "150000";
  const AttributeReport report = attribute(o);
  CHECK(summary(report).find("nothing can be learned: the only journey of the fit does not convert, so "
                             "neural equals linear") != std::string::npos);
  CHECK(test::attribution_lines(o.out + "/train.csv")[1].find(",0.5,") != std::string::npos);
  // And so does a model that learned nothing.
  o.channel_model = folder.path("out") + "/channel_model.json";
  o.out = folder.path("again");
  attribute(o);
  CHECK(test::bytes_of(o.out + "/train.csv") == test::bytes_of(folder.path("out") + "/train.csv"));
}

TEST_CASE("neural wants the time of conversions", "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.one_file(
      "j.csv", "journey,user,timestamp,campaign,conversion\n1,1,100000,a,1\n2,2,100000,b,0\n", "journeys");
  o.mechanisms = {"neural"};
  CHECK(test::attribution_error(o, 2).find("--format journeys does not have") != std::string::npos);
}

TEST_CASE("neural learns nothing where everything converts", "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.options("user,time,advertiser,channel\n1,100000,a,x\n1,100100,a,y\n2,300000,a,x\n",
                                      "user,time,advertiser\n1,200000,a\n2,300100,a\n");
  o.mechanisms = {"neural", "linear"};
  const AttributeReport report = test::expect_same_on_disk(o, folder);
  CHECK(summary(report).find("all 2 journeys of the fit convert, so neural equals linear") != std::string::npos);
  const nlohmann::json json = nlohmann::json::parse(read_file(folder.path("memory/attribution.json")));
  CHECK(json["mechanisms"]["neural"] == json["mechanisms"]["linear"]);
  CHECK_FALSE(json["fit"].contains("neural"));
  CHECK_FALSE(nlohmann::json::parse(read_file(folder.path("memory/channel_model.json"))).contains("neural_networks"));
}

TEST_CASE("neural keeps to windows of their own, exclusions and --restart, also on disk", "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions o = neural_options(folder, "mail");
  std::string clicks = read_file(o.inputs[0]);
  // Of user 400 an old `mail` is out of its window, and `direct` is excluded: `ads` has it all.
  clicks += "400,1000000,a,mail\n400,1500000,a,ads\n400,1500050,a,direct\n";
  o.inputs = {folder.write("more.csv", clicks)};
  o.conversions = {folder.write("sales.csv", read_file(o.conversions[0]) + "400,1600000,a\n")};
  o.lookback = {{"mail", 4 * 86400}};
  o.exclude_channels = {"direct"};
  o.restart = GENERATE(false, true);
  test::expect_same_on_disk(o, folder);
  std::size_t seen = 0;
  for (const std::string& line : test::attribution_lines(folder.path("memory/train.csv"))) {
    if (!line.starts_with("400,")) continue;
    ++seen;
    INFO(line);
    CHECK((line.find(",1,1,1,1") != std::string::npos) == (line.find(",ads,") != std::string::npos));
    CHECK((line.find(",0,0,0,0") != std::string::npos) == (line.find(",ads,") == std::string::npos));
  }
  CHECK(seen == 3);
}

TEST_CASE("neural from a model is applied to another log, and to journeys that the input names",
          "[attribution][neural]") {
  const test::AttributionFolder folder;
  AttributeOptions fitted = neural_options(folder, "mail");
  fitted.out = folder.path("fitted");
  attribute(fitted);
  // Two days and half an hour before the conversion, as clicks and as a named journey, whose last touch converts.
  AttributeOptions o = folder.options(
      "user,time,advertiser,channel\n1,1000000,a,mail\n1,1170000,a,ads\n1,1172800,a,other\n1,1172800,a,ads\n",
      "user,time,advertiser\n1,1172800,a\n");
  o.mechanisms = {"neural"};
  o.channel_model = fitted.out + "/channel_model.json";
  o.out = folder.path("second");
  test::expect_same_on_disk(o, folder);
  AttributeOptions named = folder.one_file("journeys.csv",
                                           "journey,user,timestamp,campaign,conversion\n1,1,1000000,mail,1\n"
                                           "1,1,1170000,ads,1\n1,1,1172800,other,1\n1,1,1172800,ads,1\n",
                                           "journeys");
  named.mechanisms = {"neural"};
  named.channel_model = o.channel_model;
  attribute(named);
  const auto credits = [](const std::string& path) {
    std::vector<double> values;
    for (const std::string& line : test::attribution_lines(path)) {
      const std::size_t end = line.rfind(','), begin = line.rfind(',', end - 1) + 1;
      if (line.starts_with("1,")) values.push_back(std::stod(line.substr(begin, end - begin)));
    }
    return values;
  };
  const std::vector<double> by_clicks = credits(folder.path("memory/train.csv"));
  REQUIRE(by_clicks.size() == 4);
  CHECK(by_clicks[2] == 0);  // of a channel that the model does not have
  CHECK(by_clicks[0] + by_clicks[1] + by_clicks[3] == Approx(1));
  CHECK(by_clicks == credits(named.out + "/train.csv"));
}

}  // namespace mal
