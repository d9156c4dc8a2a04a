#include "train/attribution/delay_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "train/attribution/text.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr std::size_t kLinesShown = 20;  // of values of --delay-by; the JSON has all

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// As --gap takes it: rounded up to whole minutes or, from two days on, to whole hours.
std::string gap_over(std::int64_t age) {
  const std::int64_t unit = age < 2 * kDay ? kMinute : kHour;
  return option_length((age + unit - 1) / unit * unit / kSecond);
}

// "1h 3.1 %, 1d 24.0 %, 30d 100.0 %"
std::string curve_text(const DelayCurveReport& curve) {
  const std::vector<std::int64_t> ages = delay_ages(curve.window);
  std::string text;
  for (std::size_t a = 0; a < ages.size(); ++a)
    text += fmt::format("{}{} {:.1f} %", a == 0 ? "" : ", ", option_length(ages[a] / kSecond), 100 * curve.known[a]);
  return text;
}

std::string all_text(const DelayReport& r) {
  std::string text;
  for (const DelayCurveReport& curve : r.all) {
    text += fmt::format("known of the credit by {} that comes within {}, by the age of the click: {}\n", r.mechanism,
                        option_length(curve.window / kSecond), curve_text(curve));
    text += fmt::format("  from {} before the test period, {} credited so far ({:.2f} %), {:.2f} % in the end\n",
                        plural(curve.clicks, "click"), curve.credited, 100 * share(curve.credited, curve.clicks),
                        100 * curve.rate);
    if (curve.end < curve.window)
      text +=
          fmt::format("  too few of them are older than {}, so what comes later is not in it (nor in the weights)\n",
                      option_length(curve.end / kHour * 3600));
  }
  return text;
}

std::string values_text(const DelayReport& r) {
  if (r.by.empty()) return "";
  const auto borrowed = static_cast<std::size_t>(std::ranges::count(r.values, false, &DelayCurveReport::own));
  std::string text =
      fmt::format("  by {}: {} of {} have a curve of their own{}\n", r.by, r.values.size() - borrowed, r.values.size(),
                  borrowed == 0 ? "" : "; the others too few conversions, so that of all");
  for (std::size_t v = 0; v < std::min(kLinesShown, r.values.size()); ++v) {
    const DelayCurveReport& curve = r.values[v];
    text += fmt::format("  {}: {}, {} credited", curve.value, plural(curve.clicks, "click"), curve.credited);
    text += curve.own ? fmt::format(", {:.2f} % in the end; {}\n", 100 * curve.rate, curve_text(curve))
                      : std::string(": the curve of all\n");
  }
  if (r.values.size() > kLinesShown)
    text += fmt::format("  … and {} more in attribution.json\n", r.values.size() - kLinesShown);
  return text;
}

ordered_json curve_json(const DelayCurveReport& curve) {
  ordered_json json = {{"window_seconds", curve.window / kSecond},
                       {"clicks", curve.clicks},
                       {"credited", curve.credited},
                       {"own_curve", curve.own}};
  if (!curve.own) return json;
  json["rate"] = curve.rate;
  json["end_seconds"] = curve.end / kSecond;
  const std::vector<std::int64_t> ages = delay_ages(curve.window);
  for (std::size_t a = 0; a < ages.size(); ++a)
    json["known"].push_back({{"age_seconds", ages[a] / kSecond}, {"share", curve.known[a]}});
  return json;
}

}  // namespace

std::vector<std::int64_t> delay_ages(std::int64_t window) {
  std::vector<std::int64_t> ages;
  for (const std::int64_t age : {kHour, kDay, 3 * kDay, 7 * kDay, 14 * kDay})
    if (age < window) ages.push_back(age);
  ages.push_back(window);
  return ages;
}

std::string delay_weights_text(const DelayReport& r) {
  std::string text = "\n" + all_text(r) + values_text(r);
  text += fmt::format("weights of train.csv: {:.4f} on average; {} sum to {:.1f} (at most {:.2f} each), {} to {:.1f}\n",
                      r.mean(), plural(r.positives, "positive row"), r.positive_weight, r.largest,
                      plural(r.others, "other row"), r.other_weight);
  if (r.unripe > 0)
    text +=
        fmt::format("  {} of so young clicks that next to nothing is known {} the weight 0: --gap {} leaves them out\n",
                    plural(r.unripe, "row"), r.unripe == 1 ? "has" : "have", gap_over(r.unripe_age));
  return text;
}

ordered_json delay_weights_json(const DelayReport& r) {
  ordered_json json = {
      {"mechanism", r.mechanism}, {"positive_rows", r.positives},   {"positive_weight", r.positive_weight},
      {"other_rows", r.others},   {"other_weight", r.other_weight}, {"unripe_rows", r.unripe},
      {"mean_weight", r.mean()},  {"largest_weight", r.largest}};
  for (const DelayCurveReport& curve : r.all) json["all"].push_back(curve_json(curve));
  if (r.by.empty()) return json;
  json["by"] = r.by;
  json["values"] = ordered_json::array();
  for (const DelayCurveReport& curve : r.values) {
    ordered_json entry = {{"value", curve.value}};
    entry.update(curve_json(curve));
    json["values"].push_back(entry);
  }
  return json;
}

}  // namespace mal
