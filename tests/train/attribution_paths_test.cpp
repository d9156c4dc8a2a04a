// --format paths: totals worked out by hand, and what is wrong with a file, by its place.
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute_paths.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::AttributionFolder;

constexpr const char* kHeader = "path,total_conversions,total_conversion_value,total_null\n";

AttributeOptions path_options(const AttributionFolder& folder, const std::string& text) {
  AttributeOptions o = folder.one_file("paths.csv", text, "paths");
  o.mechanisms = {"last", "first", "linear", "position", "markov"};
  return o;
}

std::map<std::string, std::vector<ChannelCredit>> credits_of(const PathsReport& report) {
  std::map<std::string, std::vector<ChannelCredit>> credits;
  for (const ChannelTotals& channel : report.table.channels) credits[channel.name] = channel.credits;
  return credits;
}

std::string paths_error(const AttributeOptions& options) {
  try {
    attribute_paths(options);
  } catch (const Error& error) {
    CHECK_FALSE(std::filesystem::exists(options.out));
    CHECK_FALSE(std::filesystem::exists(options.out + ".tmp"));
    return error.what();
  }
  return "no error";
}

std::string error_of_rows(const std::string& rows, const std::function<void(AttributeOptions&)>& change = {}) {
  const AttributionFolder folder;
  AttributeOptions options = path_options(folder, kHeader + rows);
  if (change) change(options);
  return paths_error(options);
}

}  // namespace

TEST_CASE("totals of paths are those worked out by hand", "[attribution]") {
  const AttributionFolder folder;
  const AttributeOptions options = path_options(folder, std::string(kHeader) +
                                                            "a > b,1,10,0\n"
                                                            "b,1,2,1\n"
                                                            "a,0,,1\n"
                                                            "c > a,0,0,2\n"
                                                            "b > a > b > c,2,8,0\n"
                                                            "c,0,0,0\n");
  const PathsReport report = attribute_paths(options);
  CHECK(report.paths.conversions == 4);
  CHECK(report.paths.nulls == 4);
  CHECK(report.paths.value == 20);
  CHECK(report.paths.idle_rows == 1);
  CHECK(report.longest == 4);
  CHECK(report.touches == 2 + 2 + 1 + 4 + 8);
  auto credits = credits_of(report);
  REQUIRE(credits.size() == 3);
  const auto check = [&](const std::string& channel, std::size_t mechanism, double conversions, double value) {
    CAPTURE(channel, mechanism);
    CHECK(credits[channel][mechanism].conversions == Approx(conversions).margin(1e-12));
    CHECK(credits[channel][mechanism].value == Approx(value).margin(1e-12));
  };
  check("a", 0, 0, 0);
  check("b", 0, 2, 12);
  check("c", 0, 2, 8);
  check("a", 1, 1, 10);
  check("b", 1, 3, 10);
  check("c", 1, 0, 0);
  check("a", 2, 0.5 + 2 * 0.25, 5 + 8 * 0.25);
  check("b", 2, 0.5 + 1 + 2 * 0.5, 5 + 2 + 8 * 0.5);
  check("c", 2, 2 * 0.25, 8 * 0.25);
  check("a", 3, 0.5 + 2 * 0.1, 5 + 8 * 0.1);
  check("b", 3, 0.5 + 1 + 2 * 0.5, 5 + 2 + 8 * 0.5);
  check("c", 3, 2 * 0.4, 8 * 0.4);
  const auto lines = test::attribution_lines(options.out + "/channels.csv");
  CHECK(lines.size() == 1 + 3 * 5);
  CHECK(lines[1].rfind("b,last,2,12,", 0) == 0);
  CHECK(std::filesystem::exists(options.out + "/transitions.csv"));
  CHECK(std::filesystem::exists(options.out + "/removal_effects.csv"));
}

// The chain of attribution_markov_totals_test: shares 2/9, 2/3, 1/9.
TEST_CASE("markov totals of paths are shares of all conversions", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions options =
      path_options(folder, std::string(kHeader) + "a > b,1,10,0\nb,1,2,1\na,0,0,1\nc > a,0,0,2\n");
  options.mechanisms = {"markov"};
  auto credits = credits_of(attribute_paths(options));
  CHECK(credits["a"][0].conversions == Approx(4.0 / 9).margin(1e-13));
  CHECK(credits["b"][0].conversions == Approx(4.0 / 3).margin(1e-13));
  CHECK(credits["c"][0].conversions == Approx(2.0 / 9).margin(1e-13));
  CHECK(credits["a"][0].value == Approx(12 * 2.0 / 9).margin(1e-12));
  CHECK(test::attribution_lines(options.out + "/transitions.csv") ==
        std::vector<std::string>{"from,to,probability,count", "(start),a,0.3333333333333333,2",
                                 "(start),b,0.3333333333333333,2", "(start),c,0.3333333333333333,2", "a,b,0.25,1",
                                 "a,(null),0.75,3", "b,(conversion),0.6666666666666666,2",
                                 "b,(null),0.3333333333333333,1", "c,a,1,2"});
  // Order 2: a and b are in the way of 1/2 and of all conversions, c of none.
  options.markov_order = 2;
  credits = credits_of(attribute_paths(options));
  CHECK(credits["a"][0].conversions == Approx(2.0 / 3).margin(1e-12));
  CHECK(credits["b"][0].conversions == Approx(4.0 / 3).margin(1e-12));
  CHECK(credits["c"][0].conversions == 0);
}

TEST_CASE("without a column of paths without conversion there are markov totals, and no more is learned",
          "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions options = path_options(folder, "path,total_conversions\na > b,1\nb,3\n");
  options.mechanisms = {"linear", "markov", "shapley", "logistic"};
  const PathsReport report = attribute_paths(options);
  auto credits = credits_of(report);
  CHECK(credits["a"][1].conversions == Approx(4 * 0.2).margin(1e-12));  // R: a 1/4, b 1
  CHECK(credits["a"][2].conversions == credits["a"][0].conversions);
  CHECK(credits["a"][3].conversions == credits["a"][0].conversions);
  CHECK_THAT(summary(report), Contains("nothing can be learned: every path converts"));
  CHECK_FALSE(report.table.has_value);
}

TEST_CASE("separators are taken with and without blanks, and may be any text", "[attribution]") {
  const auto channels = [](std::string_view path, std::string_view separator) {
    std::vector<std::string> names;
    split_path(path, separator, [&](std::string_view name) { names.emplace_back(name); });
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(channels("a > b>c  >  d e ", " > ") == Names{"a", "b", "c", "d e"});
  CHECK(channels("a->b -> c", "->") == Names{"a", "b", "c"});
  CHECK(channels("a b", " ") == Names{"a", "b"});
  CHECK(channels("a >  > b", ">") == Names{"a", "", "b"});
  CHECK(channels("", ">") == Names{""});

  const AttributionFolder folder;
  const PathsReport report = attribute_paths(path_options(folder, std::string(kHeader) + "> a > > b >,1,1,0\n"));
  CHECK(report.paths.paths.front().channels.size() == 2);
  CHECK(report.paths.empty_places == 3);
  CHECK_THAT(summary(report), Contains("3 empty places between separators passed over"));
}

TEST_CASE("what is wrong with a row of paths is said with its place", "[attribution]") {
  CHECK_THAT(error_of_rows("a,1,1,0\n,1,1,0\n"), Contains("paths.csv:3:path: the path is empty"));
  CHECK_THAT(error_of_rows(" > ,1,1,0\n"), Contains("paths.csv:2:path: the path is empty"));
  CHECK_THAT(error_of_rows("nan,1,1,0\n"), Contains("paths.csv:2:path: 'nan' says that there is no path"));
  CHECK_THAT(error_of_rows("a,-1,1,0\n"), Contains("paths.csv:2:total_conversions: -1 is negative"));
  CHECK_THAT(error_of_rows("a,1.5,1,0\n"), Contains("paths.csv:2:total_conversions: 1.5 is not whole") &&
                                               Contains("ChannelAttribution would take it for 1"));
  CHECK_THAT(error_of_rows("a,1,1,-3\n"), Contains("paths.csv:2:total_null: -3 is negative"));
  CHECK_THAT(error_of_rows("a,,1,0\n"), Contains("paths.csv:2:total_conversions: the field is empty"));
  CHECK_THAT(error_of_rows("a,1,,0\n"), Contains("paths.csv:2:total_conversion_value: the field is empty"));
  CHECK_THAT(error_of_rows("a,1,-5,0\n"), Contains("paths.csv:2:total_conversion_value: -5 is negative"));
  CHECK_THAT(error_of_rows("a,0,5,1\n"), Contains("paths.csv:2:total_conversion_value: 5 is the value of conversions, "
                                                  "and the row has none"));
  CHECK_THAT(error_of_rows("a,1e16,5,1\n"), Contains("more than can be counted"));
  CHECK_THAT(error_of_rows("a,9007199254740990,1,1\nb,1,1,1\n"), Contains("paths.csv:3:total_conversions: up to here"));
  // 3 · 2^52 touches of 2^50 journeys and 2^52 more.
  CHECK_THAT(error_of_rows("a > b,1125899906842624,1,0\na > b > a,0,0,2251799813685248\n"),
             Contains("paths.csv:3:total_conversions: up to here") && Contains("more touches than can be counted"));
  CHECK_THAT(error_of_rows("a,1,1e300,0\n"), Contains("paths.csv:2:total_conversion_value: up to here the values sum"));
  CHECK_THAT(error_of_rows("a,1,1e18,0\nb,2,0,0\na,3,1e17,0\n"),
             Contains("paths.csv:4:total_conversion_value: up to here the values sum to more than 1e18"));
  CHECK_THAT(error_of_rows("(start) > a > (conversion),1,1,0\n"), Contains("paths have '(start)' as a channel"));
  CHECK_THAT(error_of_rows("a > (conversion),1,1,0\n"), Contains("paths have '(conversion)' as a channel"));
  CHECK_THAT(error_of_rows("a,0,0,1\n"), Contains("no path converts"));
  CHECK_THAT(error_of_rows(""), Contains("there are no rows"));
  CHECK_THAT(error_of_rows("caf\xe9,1,1,0\n"), Contains("paths.csv:2:path") && Contains("not UTF-8"));
  CHECK_THAT(error_of_rows("a,1,1,0\n", [](AttributeOptions& o) { o.nulls = "lost"; }),
             Contains("there is no column 'lost'") && Contains("--null"));
  CHECK_THAT(error_of_rows("a,1,1,0\n",
                           [](AttributeOptions& o) {
                             o.mechanisms = {"last", "time_decay"};
                           }),
             Contains("time_decay") && Contains("needs the times of clicks"));
  CHECK_THAT(error_of_rows("a,1,1,0\n", [](AttributeOptions& o) { o.path_separator = ""; }),
             Contains("--path-separator: it is empty"));
  CHECK_THAT(error_of_rows("a,4294967296,1,1\n", [](AttributeOptions& o) { o.mechanisms = {"logistic"}; }),
             Contains("logistic draws every journey"));

  const AttributionFolder folder;
  AttributeOptions two = path_options(folder, std::string(kHeader) + "a,1,1,0\n");
  two.inputs.push_back(folder.write("more.csv", "path,total_conversions,total_null\na,1,0\n"));
  CHECK_THAT(paths_error(two),
             Contains("more.csv:1: the value of conversions is in ") && Contains("paths.csv, and not in this file"));
}

TEST_CASE("paths with another separator than the one given are warned of", "[attribution]") {
  const AttributionFolder folder;
  const auto lines = [&](const std::vector<std::string>& paths, const std::string& given = " > ") {
    std::string text = "path;total_conversions;total_null\n";
    for (const std::string& path : paths) text += "\"" + path + "\";1;1\n";
    AttributeOptions o = path_options(folder, text);
    o.delimiter = ';';
    o.path_separator = given;
    return warnings(o, attribute_paths(o));
  };
  const auto one = [&](const std::vector<std::string>& paths, const std::string& given = " > ") {
    const std::vector<std::string> all = lines(paths, given);
    return all.size() == 1 ? all[0] : std::string("not one warning");
  };
  for (const std::string separator : {"|", ",", ";", "/", "→", "»"}) {
    INFO(separator);
    CHECK_THAT(one({"b", "a" + separator + "b", "a " + separator + " c"}),
               Contains("no path holds ' > '") && Contains("give --path-separator '" + separator + "'"));
    CHECK(lines({"b", "a" + separator + "b"}, separator).empty());
  }
  CHECK_THAT(one({"a\tb"}), Contains("hold a tab") && Contains("--path-separator $'\\t'"));
  CHECK_THAT(one({"a > b", "a"}, "|"), Contains("no path holds '|'") && Contains("'>'"));
  CHECK_THAT(one({"google/cpc|b", "c|d"}), Contains("'|'"));  // the one that most have
  for (const std::string separator : {"->", "=>", ">>"}) {
    INFO(separator);
    CHECK_THAT(one({"a " + separator + " b " + separator + " c", "c", "c" + separator + "a"}),
               Contains("every ' > ' of a path is a part of '" + separator + "'") &&
                   Contains("give --path-separator '" + separator + "'"));
    CHECK(lines({"a " + separator + " b", "c"}, separator).empty());
  }
  CHECK_THAT(one({"a -> b"}, "|"), Contains("'->'"));
  CHECK(lines({"a", "b"}).empty());
  CHECK(lines({"a > b", "c|d", "e,f"}).empty());    // a channel may hold them
  CHECK(lines({"c|d", "a > b"}).empty());           // and it may come first
  CHECK(lines({"a > b -> c", "a - > b"}).empty());  // not all of them
}

}  // namespace mal
