// Which conversions a click is credited for: --restart, --train-labels, --from and --to.
#include <catch2/catch.hpp>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;

constexpr const char* kTwice =
    "time,user,advertiser\n10,u,a\n20,u,a\n30,u,a\n30,v,a\n40,u,b\n50,v,a\n";  // v's click of 30 has its own conversion

TEST_CASE("with restart a journey begins after the earlier conversion", "[attribution]") {
  const AttributionFolder folder;
  // u converts at 20 (clicks 10, 20), again at 20 (no click left), at 35 (click 30), at 36 (none); v at 30 and 90.
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n35,u,a\n20,u,a\n20,u,a\n36,u,a\n30,v,a\n90,v,a\n");
  o.mechanisms = {"last", "linear"};
  o.restart = true;
  const AttributeReport report = attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,last,linear,path_length",
                                             "10,u,a,0,0.5,2",
                                             "20,u,a,1,0.5,2",
                                             "30,u,a,1,1,1",
                                             "30,v,a,1,1,1",
                                             "40,u,b,0,0,0",
                                             "50,v,a,1,1,1"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK(report.journeys == 4);
  CHECK(report.conversions_without_clicks == 2);
  CHECK(report.clicks_in_several_journeys == 0);
}

TEST_CASE("restart and the window: the later border counts", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.options("time,user,advertiser\n10,u,a\n20,u,a\n30,u,a\n", "time,user,advertiser\n12,u,a\n40,u,a\n");
  o.mechanisms = {"linear"};
  o.restart = true;
  o.window = 15;
  attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,linear,path_length", "10,u,a,1,1", "20,u,a,0,0",
                                             "30,u,a,1,1"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
}

TEST_CASE("known labels: train.csv knows no conversion of the test period", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n20,u,a\n39,u,a\n60,v,a\n");
  o.mechanisms = {"last", "first", "linear"};
  o.test_from = "39";  // u's conversion of that very second is in the test period
  for (const bool known : {false, true}) {
    o.train_labels = known ? "known" : "final";
    const AttributeReport report = attribute(o);
    CHECK(report.train_clicks_of_test_conversions == 4);
    CHECK(report.last_positives == (known ? 2 : 3));
    const std::vector<std::string> expected =
        known ? std::vector<std::string>{"time,user,advertiser,last,first,linear,path_length", "10,u,a,0,1,0.5,2",
                                         "20,u,a,1,0,0.5,2", "30,u,a,0,0,0,0", "30,v,a,0,0,0,0"}
              : std::vector<std::string>{"time,user,advertiser,last,first,linear,path_length", "10,u,a,0,1,0.8333333,3",
                                         "20,u,a,1,0,0.8333333,3", "30,u,a,1,0,0.33333334,3", "30,v,a,0,1,0.5,2"};
    CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
    // The test period is the same: v's click has half of a conversion either way.
    CHECK(attribution_lines(folder.path("out/test.csv"))[2] == "50,v,a,1,0,0.5,2");
  }
}

TEST_CASE("known labels need a test period", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n20,u,a\n");
  o.train_labels = "known";
  CHECK_THAT(attribution_error(o, 2), Contains("--test-days"));
  o.train_labels = "knwon";
  CHECK_THAT(attribution_error(o, 2), Contains("final or known"));
}

TEST_CASE("the clicks of the gap are in neither file", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n20,u,a\n39,u,a\n60,v,a\n");
  o.mechanisms = {"last"};
  o.test_from = "39";
  o.gap = 9;  // from 30 on: the click of that very second is in the gap
  const AttributeReport report = attribute(o);
  CHECK(report.train_clicks == 2);
  CHECK(report.gap_clicks == 2);
  CHECK(report.train_clicks_of_test_conversions == 2);  // 10 and 20, by the conversion of 39
  CHECK(attribution_lines(folder.path("out/train.csv")).back() == "20,u,a,1,3");
  CHECK(attribution_lines(folder.path("out/test.csv"))[1] == "40,u,b,0,0");
  o.test_to = "50";  // 50 is in its journey, and in no file
  CHECK(attribute(o).later_clicks == 1);
  CHECK(attribution_lines(folder.path("out/test.csv")).size() == 2);
  CHECK(attribution_lines(folder.path("out/test.csv"))[1] == "40,u,b,0,0");
  o.out = folder.path("refused");
  o.test_to = "39";
  CHECK_THAT(attribution_error(o, 2), Contains("--test-to") && Contains("test.csv would be empty"));
  o.test_to.clear();
  o.gap = 29;
  CHECK_THAT(attribution_error(o, 2), Contains("--gap") && Contains("train.csv would be empty"));
  o.gap = 9;
  o.test_from.clear();
  CHECK_THAT(attribution_error(o, 2), Contains("--gap") && Contains("--test-days"));
}

TEST_CASE("clicks before --train-from are in journeys, and in neither file", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n20,u,a\n39,u,a\n60,v,a\n");
  o.mechanisms = {"linear"};
  o.train_from = "20";
  o.test_from = "39";
  o.gap = 9;
  const AttributeReport report = attribute(o);
  CHECK(report.earlier_clicks == 1);
  CHECK(report.train_clicks == 1);
  CHECK(report.gap_clicks == 2);
  CHECK(report.train_clicks_of_test_conversions == 1);
  // Half of the conversion of 20, which the click of 10 shares, and a third of that of 39.
  CHECK(attribution_lines(folder.path("out/train.csv")) ==
        std::vector<std::string>{"time,user,advertiser,linear,path_length", "20,u,a,0.8333333,3"});
  CHECK_THAT(summary(report), Contains("earlier 1 click, train.csv 1 click, gap 2 clicks, test.csv 2 clicks"));
  o.out = folder.path("refused");
  o.train_from = "21";
  CHECK_THAT(attribution_error(o, 2), Contains("--train-from 21: no click lies between it and"));
  o.train_from = "30";
  CHECK_THAT(attribution_error(o, 2), Contains("--train-from 30") && Contains("train.csv would be empty"));
}

TEST_CASE("conversions outside from and to do not count", "[attribution]") {
  const AttributionFolder folder;
  // The click of −5 and the conversion of the year 5138 are outside, so that nobody asks whether they make sense.
  AttributeOptions o = folder.options("time,user,advertiser\n-5,u,a\n10,u,a\n20,u,a\n30,u,a\n",
                                      "time,user,advertiser\n9,u,a\n25,u,a\n30,u,a\n99999999999,u,a\n");
  o.mechanisms = {"last", "linear"};
  o.from = "10";
  o.to = "30";
  const AttributeReport report = attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,last,linear,path_length", "10,u,a,0,0.5,2",
                                             "20,u,a,1,0.5,2"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK(report.conversions == 1);
  CHECK(report.skipped_rows == 5);
  o.from.clear();
  std::filesystem::remove_all(o.out);
  CHECK_THAT(attribution_error(o), Contains("clicks.csv:2:time") && Contains("negative") && Contains("--from"));
}

TEST_CASE("a named journey ends at its last touch, even where --to leaves that out", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("journeys.csv",
                                       "journey,user,timestamp,campaign,conversion\n"
                                       "0,u,100,5,1\n0,u,200,5,1\n0,u,300,5,1\n"  // converts at 300: not before 250
                                       "1,v,10,5,1\n1,v,110,5,1\n1,v,210,5,1\n",
                                       "journeys");
  o.mechanisms = {"last", "linear"};
  o.to = "250";
  const AttributeReport whole = attribute(o);
  CHECK(whole.conversions == 1);
  const std::vector<std::string> expected = {"user,timestamp,campaign,last,linear,path_length",
                                             "v,10,5,0,0.33333334,3",
                                             "u,100,5,0,0,0",
                                             "v,110,5,0,0.33333334,3",
                                             "u,200,5,0,0,0",
                                             "v,210,5,1,0.33333334,3"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  o.truncate = 150;  // before 300: 200 alone, so it goes; before 210: 110 and 210
  attribute(o);
  const std::vector<std::string> cut = {"user,timestamp,campaign,last,linear,path_length", "v,110,5,0,0.5,2",
                                        "v,210,5,1,0.5,2"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == cut);
}

TEST_CASE("journeys of one channel each are pointed out", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kTwice, "time,user,advertiser\n20,u,a\n");
  o.mechanisms = {"mta"};
  const AttributeReport alone = attribute(o);
  CHECK(alone.fit_single_channel);
  CHECK_THAT(summary(alone), Contains("every journey has one channel, so shapley equals linear"));
  o.mechanisms = {"markov", "logistic"};
  CHECK_THAT(summary(attribute(o)), Contains("every journey has one channel, so markov and logistic equal linear"));
  AttributeOptions two =
      folder.options("time,user,advertiser,channel\n1,u,a,x\n2,u,a,y\n3,v,a,y\n", "time,user,advertiser\n3,u,a\n");
  two.mechanisms = {"mta"};
  const AttributeReport mixed = attribute(two);
  CHECK_FALSE(mixed.fit_single_channel);
  CHECK_THAT(summary(mixed), !Contains("equals linear"));
}

}  // namespace
}  // namespace mal
