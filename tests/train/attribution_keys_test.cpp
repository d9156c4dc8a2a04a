// Keys of several columns.
#include <catch2/catch.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/text.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using Strings = std::vector<std::string>;
using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

TEST_CASE("a key of two columns joins what is equal in both", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser,campaign\n10,u,a,1\n20,u,a,2\n30,u,b,1\n40,v,a,1\n",
                                      "campaign,time,advertiser,user\n1,50,a,u\n2,60,b,u\n1,5,b,u\n");
  o.mechanisms = {"last"};
  o.key = "advertiser,campaign";
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(attribution_lines(folder.path("disk/train.csv")) == Strings{"time,user,advertiser,campaign,last,path_length",
                                                                    "10,u,a,1,1,1", "20,u,a,2,0,0", "30,u,b,1,0,0",
                                                                    "40,v,a,1,0,0"});
  CHECK(report.unmatched.other_keys == 1);  // b,2
  CHECK(report.unmatched.clicked_later == 1);
  CHECK_THAT(summary(report), Contains("1 of users whose clicks have another advertiser and campaign\n"));
  // By the advertiser alone, u's a of 20 is the last before 50, and b's click of 30 the last before 60.
  o.key = "advertiser";
  CHECK(expect_same_on_disk(o, folder).journeys == 2);
}

TEST_CASE("values with commas and quotes never make two keys one", "[attribution]") {
  const AttributionFolder folder;
  // The conversion is of "a,b" and "c". Joined by commas alone, the first four clicks would be of it, too.
  AttributeOptions o = folder.options(
      "time,user,x,y\n1,u,a,\"b,c\"\n2,u,\"a,b\",c\n3,u,\"\"\"a,b\"\"\",c\n4,u,\"a\",\"b\"\",c\"\n5,u,\"a,\",\"b,c\"\n",
      "time,user,x,y\n10,u,\"a,b\",c\n");
  o.mechanisms = {"linear"};
  o.key = "x,y";
  expect_same_on_disk(o, folder);
  CHECK(attribution_lines(folder.path("disk/train.csv")) ==
        Strings{"time,user,x,y,linear,path_length", "1,u,a,\"b,c\",0,0", "2,u,\"a,b\",c,1,1",
                "3,u,\"\"\"a,b\"\"\",c,0,0", "4,u,a,\"b\"\",c\",0,0", "5,u,\"a,\",\"b,c\",0,0"});
}

TEST_CASE("without a channel, all columns of the key are the channel", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,x,y\n1,u,a,1\n2,u,b,2\n3,v,a,1\n4,v,\"a,b\",2\n",
                                      "time,user,x,y\n10,u,a,1\n11,u,b,2\n");
  o.mechanisms = {"shapley"};
  o.key = "x,y";
  const AttributeReport report = expect_same_on_disk(o, folder);
  Strings channels;
  for (const ChannelReport& channel : report.channels) channels.push_back(channel.name);
  std::sort(channels.begin(), channels.end());
  CHECK(channels == Strings{"\"a,b\",2", "a,1", "b,2"});
  CHECK(report.fit_single_channel);
  CHECK_THAT(summary(report), Contains("every journey has one channel, so shapley equals linear"));
  o.channel = "x";
  CHECK(expect_same_on_disk(o, folder).channels.size() == 3);  // a, b and "a,b"
}

TEST_CASE("keys of several columns in event logs, criteo and journeys", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.one_file("log.csv", "time,user,x,y,what\n1,u,a,1,click\n2,u,a,2,click\n3,u,a,1,conversion\n", "csv");
  o.mechanisms = {"last"};
  o.event = "what";
  o.key = "x,y";
  expect_same_on_disk(o, folder);
  CHECK(attribution_lines(folder.path("disk/train.csv"))[1] == "1,u,a,1,1,1");

  // criteo: the key groups the clicks of no conversion for the fit: u's three clicks are three journeys by two columns,
  // and two by the campaign.
  o = folder.one_file("criteo.csv",
                      "timestamp,uid,campaign,cat1,conversion_timestamp,conversion_id,click\n"
                      "1,u,5,1,-1,-1,1\n2,u,5,2,-1,-1,1\n3,u,6,2,-1,-1,1\n4,v,5,1,9,7,1\n",
                      "criteo");
  o.mechanisms = {"shapley"};
  CHECK(expect_same_on_disk(o, folder).fit_total.journeys == 3);
  o.key = "campaign,cat1";
  CHECK(expect_same_on_disk(o, folder).fit_total.journeys == 4);

  // journeys have names of their own: the key is the channel, no more.
  o = folder.one_file("journeys.csv",
                      "journey,user,timestamp,campaign,place,conversion\n1,u,10,a,1,1\n1,u,20,a,2,1\n2,v,10,a,2,0\n",
                      "journeys");
  o.mechanisms = {"shapley"};
  CHECK(expect_same_on_disk(o, folder).channels.size() == 1);
  o.key = "campaign,place";
  CHECK(expect_same_on_disk(o, folder).channels.size() == 2);
}

TEST_CASE("keys that cannot be", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,x,\"x,y\"\n1,u,a,b\n", "time,user,x,\"x,y\"\n2,u,a,b\n3,u,c,b\n");
  o.mechanisms = {"last"};
  o.key = "x,y";
  CHECK_THAT(attribution_error(o),
             Contains("clicks.csv: --key x,y names 2 columns, and there is one with that name; write --key '\"x,y\"'"));
  o.key = "\"x,y\"";
  CHECK(expect_same_on_disk(o, folder).journeys == 2);
  o.key = "x,\"x,y\"";
  CHECK(expect_same_on_disk(o, folder).journeys == 1);
  o.key = "x,time,z";
  CHECK_THAT(attribution_error(o), Contains("'z'") && Contains("--key"));
  o.key = "x,x";
  CHECK_THAT(attribution_error(o, 2), Contains("--key x,x: 'x' is named twice"));
  o.key = "x,";
  CHECK_THAT(attribution_error(o, 2), Contains("--key 'x,': the name of a column is empty"));
  o.key = "x,\"y";
  CHECK_THAT(attribution_error(o, 2), Contains("--key x,\"y: a quote is open"));
  // A column that conversions alone lack, and a value that is missing in either.
  o = folder.options("time,user,x,y\n1,u,a,b\n", "time,user,x\n2,u,a\n");
  o.key = "x,y";
  CHECK_THAT(attribution_error(o), Contains("conversions.csv") && Contains("'y'"));
  o = folder.options("time,user,x,y\n1,u,a,NULL\n", "time,user,x,y\n2,u,a,b\n");
  o.key = "x,y";
  CHECK_THAT(same_error_on_disk(o), Contains("clicks.csv:2:y: 'NULL' says that there is no value"));
  o = folder.options("time,user,x,y\n1,u,a,b\n", "time,user,x,y\n2,u,,b\n");
  o.key = "x,y";
  CHECK_THAT(same_error_on_disk(o), Contains("conversions.csv:2:x: the field is empty"));
  o = folder.options("time,user,x,y\n1,u,a,\xFF\n", "time,user,x,y\n2,u,a,b\n");
  o.key = "x,y";
  CHECK_THAT(same_error_on_disk(o), Contains("clicks.csv:2:y: ") && Contains("UTF-8"));
}

TEST_CASE("names of columns on the command line are a row of CSV", "[attribution]") {
  CHECK(column_names("a", "--key") == Strings{"a"});
  CHECK(column_names("a,b c,\"d,e\"", "--key") == Strings{"a", "b c", "d,e"});
  CHECK(column_names("\"a\"\"b\"", "--key") == Strings{"a\"b"});
  CHECK_THROWS_AS(column_names("", "--key"), Error);
  CHECK_THROWS_AS(column_names(",a", "--key"), Error);
  CHECK_THROWS_AS(column_names("a,\"a\"", "--key"), Error);
  CHECK_THROWS_AS(column_names("\"\"", "--key"), Error);
}

}  // namespace
}  // namespace mal
