// An identity map: which user an anonymous id is.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using Strings = std::vector<std::string>;
using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

constexpr const char* kAnonymousClicks = "time,user,advertiser\n1,cookie1,a\n2,cookie2,a\n3,anna,a\n4,cookie3,a\n";
constexpr const char* kIdentityConversions = "time,user,advertiser\n9,anna,a\n8,cookie3,a\n";

TEST_CASE("clicks of a cookie and conversions of a login are joined by the identity map", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kAnonymousClicks, kIdentityConversions);
  o.mechanisms = {"linear"};
  o.history = {"advertiser"};
  // cookie1 and cookie2 are anna's, cookie2 by way of a device; cookie3 is bob's; cookie9 is in no log. A row that
  // comes twice, and an id that is its own user, say nothing new.
  o.identity = {folder.write("map.csv",
                             "anonymous,user\ncookie2,device\ncookie1,anna\ndevice,anna\ncookie1,anna\nanna,anna\n"
                             "cookie9,bob\n"),
                folder.write("more.csv", "x,user,anonymous\n0,bob,cookie3\n")};
  const AttributeReport report = expect_same_on_disk(o, folder);
  // The users stay as the log has them; anna's journey has three clicks.
  CHECK(attribution_lines(folder.path("disk/train.csv")) ==
        Strings{"time,user,advertiser,advertiser_seq,linear,path_length", "1,cookie1,a,,0.33333334,3",
                "2,cookie2,a,a,0.33333334,3", "3,anna,a,a|a,0.33333334,3", "4,cookie3,a,,1,1"});
  CHECK(report.users == 2);
  CHECK(report.identity.ids == 5);  // cookie1, cookie2, device, cookie9, cookie3
  CHECK(report.identity.ids_in_log == 3);
  CHECK(report.identity.rows.clicks == 3);
  CHECK(report.identity.rows.conversions == 1);
  CHECK_THAT(summary(report), Contains("3 of the 5 ids of --identity are in the log: 3 clicks and 1 conversion got "
                                       "their user from it\n"));
  CHECK(warnings(report).empty());
  const auto json = nlohmann::json::parse(read_file(folder.path("disk/attribution.json")));
  CHECK(json["counts"]["identity"] ==
        nlohmann::json{{"ids", 5}, {"ids_in_log", 3}, {"clicks", 3}, {"conversions", 1}, {"skipped_rows", 0}});
  CHECK(json["parameters"]["identity"] == Strings{"map.csv", "more.csv"});
  o.identity.clear();
  CHECK(expect_same_on_disk(o, folder).users == 4);
}

TEST_CASE("the columns of an identity map have the names that the option gives", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kAnonymousClicks, kIdentityConversions);
  o.mechanisms = {"linear"};
  o.identity = {folder.write("map.csv", "login,cookie\nanna,cookie1\n")};
  CHECK_THAT(attribution_error(o), Contains("map.csv") && Contains("--identity-columns"));
  o.identity_columns = "cookie,login";
  CHECK(expect_same_on_disk(o, folder).identity.rows.clicks == 1);
  o.identity_columns = "cookie";
  CHECK_THAT(attribution_error(o, 2), Contains("--identity-columns cookie: two are wanted"));
  o.identity_columns = "cookie,cookie";
  CHECK_THAT(attribution_error(o, 2), Contains("'cookie' is named twice"));
  o.identity = {o.inputs.front()};
  o.identity_columns = "user,advertiser";
  CHECK_THAT(attribution_error(o, 2), Contains("is given as --in and as --identity"));
}

TEST_CASE("an identity map with another delimiter", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time^user^advertiser\n1^c^a\n", "time^user^advertiser\n2^u^a\n");
  o.mechanisms = {"last"};
  o.delimiter = '^';
  o.identity = {folder.write("map.csv", "anonymous^user\nc^u\n")};
  CHECK(expect_same_on_disk(o, folder).journeys == 1);
}

TEST_CASE("an identity map that contradicts itself is refused", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kAnonymousClicks, kIdentityConversions);
  const auto error = [&](const std::string& rows) {
    o.identity = {folder.write("map.csv", "anonymous,user\n" + rows)};
    return same_error_on_disk(o);
  };
  const std::string path = folder.path("map.csv");
  CHECK_THAT(error("x,anna\ny,bob\nx,bob\n"),
             Contains(path + ":4:user: 'x' is user 'bob', but at " + path + ":2 user 'anna'; one id has one user"));
  // The row that closes the circle comes last, wherever the circle begins; w leads into it.
  CHECK_THAT(error("w,x\nx,y\nz,x\ny,z\n"), Contains(path + ":5: 'y' → 'z' → 'x' → 'y' goes round in a circle"));
  CHECK_THAT(error("x,y\ny,x\n"), Contains(path + ":3: 'y' → 'x' → 'y' goes round in a circle"));
  // Of two circles, the one that is closed first.
  CHECK_THAT(error("a,b\nx,y\ny,x\nb,a\n"), Contains(path + ":4: 'y' → 'x' → 'y' goes"));
  std::string ring;
  for (int i = 0; i < 20; ++i) ring += fmt::format("i{},i{}\n", i, (i + 1) % 20);
  CHECK_THAT(error(ring), Contains(path + ":21: 'i19' → 'i0' → 'i1' → 'i2' → 'i3' → 'i4' → … → 'i19' goes round"));
  CHECK_THAT(error("x,\n"), Contains(path + ":2:user: the field is empty"));
  CHECK_THAT(error("NULL,x\n"), Contains(path + ":2:anonymous: 'NULL' says that there is no value"));
  CHECK_THAT(error(""), Contains("map.csv: no row says which user an id is"));
}

TEST_CASE("rows of the identity map without a user are left out by --drop-anonymous", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kAnonymousClicks, kIdentityConversions);
  o.mechanisms = {"last"};
  o.drop_anonymous = true;
  o.identity = {folder.write("map.csv", "anonymous,user\ncookie1,anna\ncookie2,\nNULL,x\n")};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.identity.ids == 1);
  CHECK(report.identity.skipped_rows == 2);
  CHECK_THAT(summary(report), Contains("2 rows of --identity without an id or a user left out by --drop-anonymous\n"));
}

TEST_CASE("an identity map that has nobody of the log warns", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kAnonymousClicks, kIdentityConversions);
  o.mechanisms = {"last"};
  o.identity = {folder.write("map.csv", "anonymous,user\nCookie1,anna\n")};
  const Strings lines = warnings(expect_same_on_disk(o, folder));
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0],
             Contains("no user of the log is an id of --identity (its first is 'Cookie1', the log's 'cookie1')"));
}

TEST_CASE("long chains end at their last user, in any order of the rows", "[attribution]") {
  const AttributionFolder folder;
  std::string chain, backwards, clicks = "time,user,advertiser\n";
  for (int i = 0; i < 100; ++i) {
    const std::string row = fmt::format("i{},i{}\n", i, i + 1);
    chain += row;
    backwards = row + backwards;
    clicks += fmt::format("{},i{},a\n", 10 + i, i);
  }
  AttributeOptions o = folder.options(clicks, "time,user,advertiser\n1000,i100,a\n");
  o.mechanisms = {"linear"};
  for (const std::string& rows : {chain, backwards}) {
    o.identity = {folder.write("map.csv", "anonymous,user\n" + rows)};
    const AttributeReport report = expect_same_on_disk(o, folder);
    CHECK(report.users == 1);
    CHECK(report.longest_journey == 100);
  }
}

TEST_CASE("the identity map in event logs, criteo and journeys", "[attribution]") {
  const AttributionFolder folder;
  const std::string map = folder.write("map.csv", "anonymous,user\nc,u\n");
  AttributeOptions o =
      folder.one_file("log.csv", "time,user,advertiser,what\n1,c,a,click\n2,u,a,conversion\n3,c,a,conversion\n", "csv");
  o.mechanisms = {"last"};
  o.event = "what";
  o.identity = {map};
  AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.journeys == 2);
  CHECK(report.identity.rows.clicks == 1);
  CHECK(report.identity.rows.conversions == 1);

  // One conversion, and one journey, of what were two users: an error without the map.
  o = folder.one_file("criteo.csv",
                      "timestamp,uid,campaign,conversion_timestamp,conversion_id,click\n1,c,5,9,7,1\n2,u,5,9,7,1\n",
                      "criteo");
  o.mechanisms = {"linear"};
  CHECK_THAT(same_error_on_disk(o), Contains("belongs to user 'u', but"));
  o.identity = {map};
  CHECK(expect_same_on_disk(o, folder).longest_journey == 2);

  o = folder.one_file("journeys.csv", "journey,user,timestamp,campaign,conversion\n1,c,10,a,1\n1,u,20,b,1\n",
                      "journeys");
  o.mechanisms = {"linear"};
  CHECK_THAT(same_error_on_disk(o), Contains("belongs to user 'u', but"));
  o.identity = {map};
  CHECK(expect_same_on_disk(o, folder).longest_journey == 2);
}

}  // namespace
}  // namespace mal
