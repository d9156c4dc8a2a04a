// The fit sees a log as it was known when the test period began, where rows name their conversion or their journey: the
// rows of a conversion that is yet to come have none, and --truncate counts from the last touch until then.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"

namespace mal {
namespace {

using test::attribution_lines;
using test::AttributionFolder;

struct Fitted {
  std::string model, known_rows;  // of two channels, x and y
  double x = 0, y = 0;
  std::uint64_t journeys = 0;
};

Fitted fitted(AttributeOptions o, const AttributionFolder& folder) {
  o.mechanisms = {"last", "shapley", "markov", "logistic"};
  if (o.format == "criteo") o.mechanisms.emplace_back("additive_hazard");  // journeys do not have the time it needs
  o.test_from = "800000";
  o.train_labels = "known";
  o.bootstrap = 20;
  test::expect_same_on_disk(o, folder);
  Fitted result;
  result.model = read_file(folder.path("memory/channel_model.json"));
  result.known_rows = read_file(folder.path("memory/train.csv"));
  const auto json = nlohmann::json::parse(result.model);
  result.journeys = json.at("journeys");
  REQUIRE(json.at("channels").size() == 2);
  result.x = json.at("channels")[0].at("shapley");
  result.y = json.at("channels")[1].at("shapley");
  return result;
}

// Three journeys: of x alone, which converts, of y alone, and of both. The rate is ⅓, so v(x) = (1 + 20/3) / 21,
// v(y) = (20/3) / 21 and v(xy) = 500 · ½ (v(x) + v(y)) / 501; φ_x = ½ v(x) + ½ (v(xy) − v(y)), φ_y likewise.
void expect_three(const Fitted& fit) {
  CHECK(fit.journeys == 3);
  CHECK(fit.x == Approx(0.194104).epsilon(1e-5));
  CHECK(fit.y == Approx(0.146485).epsilon(1e-5));
}

TEST_CASE("clicks of a Criteo conversion after the test period begins are as those of none in the fit",
          "[attribution]") {
  const AttributionFolder folder;
  const std::string before =
      "timestamp\tuid\tcampaign\tchannel\tconversion_timestamp\tconversion_id\tclick\n"
      "100000\tw\tB\tx\t100009\t1\t1\n"
      "100001\tz\tB\ty\t-1\t-1\t1\n"
      "200000\tu\tA\tx\t-1\t-1\t1\n";
  const std::string after = "900000\tq\tA\tx\t-1\t-1\t1\n";
  const auto fit = [&](const std::string& fourth) {
    return fitted(folder.one_file("log.tsv", before + fourth + after, "criteo"), folder);
  };
  const Fitted quiet = fit("200010\tu\tA\ty\t-1\t-1\t1\n");
  expect_three(quiet);

  // It converts in the test period, or at the moment when that begins.
  for (const char* time : {"950000", "800000"}) {
    const Fitted late = fit("200010\tu\tA\ty\t" + std::string(time) + "\t7\t1\n");
    expect_three(late);
    CHECK(late.model == quiet.model);
    CHECK(late.known_rows == quiet.known_rows);
  }
  // A conversion just before is known, and its click a journey of its own.
  CHECK(fit("200010\tu\tA\ty\t799999\t7\t1\n").journeys == 4);
  // A campaign of its own keeps the click apart from the other, converting or not.
  CHECK(fit("200010\tu\tC\ty\t-1\t-1\t1\n").journeys == 4);
  CHECK(fit("200010\tu\tC\ty\t950000\t7\t1\n").journeys == 4);
}

TEST_CASE("two clicks of a Criteo conversion to come are of two journeys if their campaigns differ", "[attribution]") {
  const AttributionFolder folder;
  const std::string header = "timestamp\tuid\tcampaign\tchannel\tconversion_timestamp\tconversion_id\tclick\n";
  const auto fit = [&](const std::string& end) {
    return fitted(folder.one_file("log.tsv",
                                  header + "100000\tw\tB\tx\t100009\t1\t1\n200000\tu\tA\tx\t" + end +
                                      "200010\tu\tC\ty\t" + end + "900000\tq\tA\tx\t-1\t-1\t1\n",
                                  "criteo"),
                  folder);
  };
  const Fitted late = fit("950000\t7\t1\n");
  CHECK(late.journeys == 3);
  CHECK(late.model == fit("-1\t-1\t1\n").model);
}

TEST_CASE("the campaign of a Criteo click is wanted whether it converts or not", "[attribution]") {
  const AttributionFolder folder;
  const AttributeOptions o = folder.one_file(
      "log.tsv",
      "timestamp\tuid\tcampaign\tconversion_timestamp\tconversion_id\tclick\n100000\tw\tNULL\t100009\t1\t1\n",
      "criteo");
  CHECK_THAT(test::same_error_on_disk(o),
             Catch::Matchers::Contains("log.tsv:2:campaign: 'NULL' says that there is no"));
}

TEST_CASE("touches in the test period do not move the cut of --truncate in the fit", "[attribution]") {
  const AttributionFolder folder;
  const std::string before =
      "journey,user,timestamp,campaign,channel,conversion\n"
      "1,w,100000,k,x,1\n1,w,100001,k,x,1\n"
      "2,z,100000,k,y,0\n2,z,100001,k,y,0\n"
      "3,q,900000,k,x,0\n3,q,900001,k,x,0\n"
      "4,u,200000,k,x,0\n4,u,200001,k,y,0\n";
  const auto fit = [&](const std::string& later) {
    AttributeOptions o = folder.one_file("log.csv", before + later, "journeys");
    o.truncate = 3 * 86400;
    return fitted(o, folder);
  };
  const Fitted quiet = fit("");
  expect_three(quiet);
  CHECK(fit("4,u,900000,k,x,0\n4,u,900001,k,x,0\n").model == quiet.model);  // cut off what was there before
  CHECK(fit("4,u,799999,k,x,0\n").model != quiet.model);                    // and before the test period they do
  // A touch that was alone then is in no journey of the fit, though another keeps it in the log.
  const Fitted joined = fit("5,v,799990,k,y,0\n5,v,800000,k,y,0\n");
  CHECK(joined.model == quiet.model);
  CHECK(attribution_lines(folder.path("memory/train.csv")).size() == 1 + 7);
}

}  // namespace
}  // namespace mal
