// channels.csv as text: what is known, what is not, and numbers that read back.
#include <catch2/catch.hpp>

#include "train/attribution/channel_totals.h"

using namespace mal;

namespace {

const std::string kHeader =
    "channel,mechanism,conversions,value,clicks,cost,cpa,roas,conversions_low,conversions_high,value_low,value_high\n";

ChannelTable two_channels() {
  ChannelTable table;
  table.mechanisms = {"last", "linear"};
  table.channels = {{"a,b", 4, 3, {{2, 10.5}, {0.1, 1}}}, {"\"x\"", 7, 0, {{0, 0}, {1.0 / 3, 20}}}};
  return table;
}

}  // namespace

TEST_CASE("channels.csv leaves empty what is not known", "[attribution]") {
  ChannelTable table = two_channels();
  CHECK(channels_csv(table) == kHeader +
                                   "\"a,b\",last,2,,4,,,,,,,\n"
                                   "\"a,b\",linear,0.1,,4,,,,,,,\n"
                                   "\"\"\"x\"\"\",last,0,,7,,,,,,,\n"
                                   "\"\"\"x\"\"\",linear,0.3333333333333333,,7,,,,,,,\n");
  table.has_clicks = false;
  table.channels.pop_back();
  CHECK(channels_csv(table) == kHeader + "\"a,b\",last,2,,,,,,,,,\n\"a,b\",linear,0.1,,,,,,,,,\n");
}

TEST_CASE("CPA is cost by conversion, ROAS value by cost, and neither divides by 0", "[attribution]") {
  ChannelTable table = two_channels();
  table.has_value = table.has_cost = true;
  table.channels[0].credits[0].conversions_interval = {1, 2.5};
  table.channels[0].credits[0].value_interval = {5, 11};
  CHECK(channels_csv(table) == kHeader +
                                   "\"a,b\",last,2,10.5,4,3,1.5,3.5,1,2.5,5,11\n"
                                   "\"a,b\",linear,0.1,1,4,3,30,0.3333333333333333,,,,\n"
                                   "\"\"\"x\"\"\",last,0,0,7,0,,,,,,\n"
                                   "\"\"\"x\"\"\",linear,0.3333333333333333,20,7,0,0,,,,,\n");
}

TEST_CASE("channels come by falling conversions of the first mechanism, then by name", "[attribution]") {
  ChannelTable table;
  table.mechanisms = {"last"};
  table.channels = {{"b", 0, 0, {{1, 0}}}, {"c", 0, 0, {{2, 0}}}, {"a", 0, 0, {{1, 0}}}};
  sort_channels(table);
  CHECK(table.channels[0].name == "c");
  CHECK(table.channels[1].name == "a");
  CHECK(table.channels[2].name == "b");
}
